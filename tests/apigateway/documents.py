"""OpenAPI documents for tests: CloudFormation's functions in them replaced by what they could give."""

from __future__ import annotations

import re
from typing import Any

ACCOUNT, REGION = "000000000000", "us-east-1"
_PSEUDO = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "APIGWRole": f"arn:aws:iam::{ACCOUNT}:role/r",
}


def substitute(text: str) -> str:
    """`${AWS::Region}` and the like; a resource becomes its own name, its ARN one of a function."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name.endswith(".Arn"):
            return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name.removesuffix('.Arn')}"
        return _PSEUDO.get(name, name.replace(".", "-"))

    return re.sub(r"\$\{([A-Za-z0-9:.]+)\}", value, text)


def evaluate(node: Any) -> Any:
    """The document as CloudFormation would hand it over."""
    if isinstance(node, list):
        return [evaluate(item) for item in node]
    if isinstance(node, str):
        return substitute(node)
    if not isinstance(node, dict):
        return node
    if set(node) == {"Fn::Sub"}:
        given = node["Fn::Sub"]
        return substitute(given if isinstance(given, str) else given[0])
    if set(node) == {"Fn::GetAtt"}:
        name = node["Fn::GetAtt"][0]
        return f"arn:aws:iam::{ACCOUNT}:role/{name}" if "Role" in name else f"arn:aws:states:{REGION}:{ACCOUNT}:{name}"
    if set(node) == {"Ref"}:
        return node["Ref"]
    return {key: evaluate(value) for key, value in node.items()}
