"""`docs/coverage.md`: every operation of our services, implemented or not, from the code and botocore's models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

OUR_SERVICES: tuple[str, ...] = (
    "apigateway",
    "apigatewayv2",
    "apigatewaymanagementapi",
    "cognito-idp",
    "cognito-identity",
    "stepfunctions",
    "lambda",
    "iam",
    "sts",
    "logs",
    "cloudwatch",
    "pinpoint",
    "cloudformation",
)


def coverage(implemented: Mapping[str, Sequence[str]], modeled: Mapping[str, Sequence[str]]) -> str:
    """Markdown. `modeled` holds all operations of AWS by service."""
    lines = [
        "# Coverage",
        "",
        "Made by `forecourt coverage` from the code. An operation that is not implemented answers",
        "`NotImplementedException` (501), never with a pretended success. Every other AWS service is",
        "a backing service: see [backing.md](backing.md).",
        "",
        "| service | implemented | of |",
        "|---|---:|---:|",
    ]
    for service in OUR_SERVICES:
        done = set(implemented.get(service, ())) & set(modeled[service])
        lines.append(f"| [{service}](#{service}) | {len(done)} | {len(modeled[service])} |")
    for service in OUR_SERVICES:
        done = set(implemented.get(service, ()))
        lines += ["", f"## {service}", "", "| operation | implemented |", "|---|---|"]
        lines += [f"| {name} | {'yes' if name in done else 'no'} |" for name in sorted(modeled[service])]
    return "\n".join(lines) + "\n"
