"""The policy language, case by case: policies above, requests below, `=> decision | why`.

`python tests/auth/test_policy_cases.py` writes the reasons that the engine gives now into the files, to compare.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from forecourt.auth.policy import Decision, Policy, PolicySet, Request, compile_policy, context_of, evaluate
from forecourt.base import principal as principals
from forecourt.base.principal import ANONYMOUS, Principal

CASES = Path(__file__).parent / "policy_cases"
HOME = "111122223333"


class Case(NamedTuple):
    title: str
    policies: PolicySet
    request: str
    expected: str


def read(path: Path) -> Iterator[Case]:
    for block in path.read_text().split("\n\n"):
        lines = block.strip().splitlines()
        title = f"{path.stem}: {lines[0].removeprefix('# ')}"
        rules = [line for line in lines[1:] if " => " not in line]
        for line in lines[1:]:
            if " => " in line:
                request, _, expected = line.partition(" => ")
                yield Case(title, policy_set(rules), request, expected)


def policy_set(rules: list[str]) -> PolicySet:
    layers: dict[str, list[Policy]] = {"identity": [], "boundary": [], "session": [], "resource": [], "trust": []}
    account = HOME
    for rule in rules:
        layer, _, text = rule.partition(" ")
        layer, _, owner = layer.partition("@")
        account = owner or account
        layers[layer].append(compile_rule(layer, text))
    resource = layers["resource"] or layers["trust"]
    return PolicySet(
        identity=layers["identity"],
        boundary=layers["boundary"][0] if layers["boundary"] else None,
        session=layers["session"] or None,
        resource=resource[0] if resource else None,
        trust=bool(layers["trust"]),
        resource_account=account,
    )


def compile_rule(layer: str, text: str) -> Policy:
    given = msgspec.json.decode(text)
    document = given if "Version" in given else {"Version": "2012-10-17", "Statement": given}
    return compile_policy(document, layer if layer in ("resource", "trust") else "identity")  # type: ignore[arg-type]


def who(name: str) -> tuple[Principal, str]:
    """The principal that a case names, and the identity provider where it is federated."""
    kind, _, rest = name.partition(":")
    if kind == "service":
        return principals.service(rest, HOME), ""
    if kind == "web":
        return ANONYMOUS, rest
    if kind == "role":
        role = rest.partition("/")[0]
        arn = f"arn:aws:sts::{HOME}:assumed-role/{rest}"
        return Principal(
            kind="assumed-role",
            account=HOME,
            arn=arn,
            user_id=f"AROA{role.upper():0<16}:{rest}",
            role_arn=f"arn:aws:iam::{HOME}:role/{role}",
        ), ""
    if name == "anonymous":
        return ANONYMOUS, ""
    user, _, account = name.partition("@")
    if user == "root":
        return principals.root(account or HOME), ""
    arn = f"arn:aws:iam::{account or HOME}:user/{user}"
    return Principal(kind="user", account=account or HOME, arn=arn, user_id="AIDA1", name=user), ""


def request_of(line: str) -> Request:
    name, action, resource, *pairs = shlex.split(line)
    context: dict[str, str | list[str]] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        context[key] = [v for v in value[1:-1].split(",") if v] if value.startswith("[") else value
    principal, federated = who(name)
    return Request(action, resource, context_of(context), principal, federated)


def judged(case: Case) -> str:
    request = request_of(case.request)
    decision = evaluate(request, case.policies)
    return f"{decision.effect.value} | {why(decision, request, case.policies)}"


def why(decision: Decision, request: Request, policies: PolicySet) -> str:
    if decision.statement is not None or decision.allowed:
        return decision.reason
    layer = {
        "identity-based policy": policies.identity,
        "permissions boundary": [policies.boundary],
        "session policy": policies.session or [],
        "resource-based policy": [policies.resource] if policies.resource else [],
        "role trust policy": [policies.resource],
    }[decision.layer]
    traces = [line for policy in layer if policy for line in policy.trace(request)]
    return "; ".join([decision.reason, *traces])


ALL = [case for path in sorted(CASES.glob("*.txt")) for case in read(path)]


def test_there_are_enough_of_them() -> None:
    assert len(ALL) >= 250


@pytest.mark.parametrize("case", ALL, ids=[f"{case.title}: {case.request}" for case in ALL])
def test_case(case: Case) -> None:
    assert judged(case) == case.expected


def rewritten(path: Path) -> str:
    """The file with the reasons that the engine gives now, where the decision is as expected."""
    cases = iter(read(path))
    lines = []
    for line in path.read_text().splitlines():
        if " => " in line and not line.startswith("#"):
            case = next(cases)
            found = judged(case)
            if found.split(" | ")[0] != case.expected.split(" | ")[0]:
                sys.exit(f"{case.title}: {line}\n{found}")
            line = f"{case.request} => {found}"
        lines.append(line)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for file in sorted(CASES.glob("*.txt")):
        file.write_text(rewritten(file))
