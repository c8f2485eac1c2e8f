"""Stacks of tests: deployed over the network, and waited for."""

from __future__ import annotations

import itertools
import json
import time
import urllib.error
import urllib.request
from typing import Any

from forecourt.testing import Forecourt

_numbers = itertools.count(1)
_SECONDS = 30.0
CAPABILITIES = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


def fresh(word: str) -> str:
    """A stack's name that no other test has."""
    return f"{word}-{next(_numbers)}-{time.time_ns() % 10**9}"


class Stacks:
    """What a user of CloudFormation does, in one region of a server."""

    def __init__(self, server: Forecourt, **options: Any) -> None:
        self.server = server
        self.client = server.client("cloudformation", **options)

    def create(self, name: str, template: Any, **more: Any) -> dict[str, Any]:
        self.client.create_stack(StackName=name, TemplateBody=_text(template), Capabilities=CAPABILITIES, **more)
        return self.settled(name)

    def update(self, name: str, template: Any = None, **more: Any) -> dict[str, Any]:
        source = {"UsePreviousTemplate": True} if template is None else {"TemplateBody": _text(template)}
        self.client.update_stack(StackName=name, Capabilities=CAPABILITIES, **source, **more)
        return self.settled(name)

    def delete(self, name: str, **more: Any) -> dict[str, Any]:
        stack_id = self.stack(name)["StackId"]
        self.client.delete_stack(StackName=name, **more)
        return self.settled(stack_id)

    def stack(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.describe_stacks(StackName=name)["Stacks"][0]
        return found

    def settled(self, name: str) -> dict[str, Any]:
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            found = self.stack(name)
            if not found["StackStatus"].endswith("_IN_PROGRESS"):
                return found
            time.sleep(0.02)
        raise AssertionError(f"{name} is still {found['StackStatus']}")

    def events(self, name: str) -> list[tuple[str, str, str]]:
        """From the first to the last: what, its status, and why."""
        pages = self.client.get_paginator("describe_stack_events").paginate(StackName=name)
        found = [event for page in pages for event in page["StackEvents"]]
        return [
            (one["LogicalResourceId"], one["ResourceStatus"], one.get("ResourceStatusReason", ""))
            for one in reversed(found)
        ]

    def ids(self, name: str) -> dict[str, str]:
        """Physical ids by logical ids."""
        found = self.client.describe_stack_resources(StackName=name)["StackResources"]
        return {one["LogicalResourceId"]: one.get("PhysicalResourceId", "") for one in found}


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}


def ask(server: Forecourt, api: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{server.url}/_aws/execute-api/{api}{path}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def role(server: Forecourt, name: str, *allowed: str, trusts: str = "cloudformation.amazonaws.com") -> str:
    """The ARN of a role that may do what is `allowed`."""
    trust = {"Effect": "Allow", "Principal": {"Service": trusts}, "Action": "sts:AssumeRole"}
    iam = server.client("iam")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
    policy = document({"Effect": "Allow", "Action": list(allowed), "Resource": "*"})
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    return str(made["Role"]["Arn"])


def document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _text(template: Any) -> str:
    return template if isinstance(template, str) else json.dumps(template)
