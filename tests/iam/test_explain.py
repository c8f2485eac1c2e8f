"""`forecourt iam explain` against a running server: the decision, its statement, and what did not match."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result
from tests.iam.enforcing import HOME, ROOT, allow, policy, user

from forecourt.cli.iam import iam
from forecourt.testing import Forecourt

TABLE = f"arn:aws:dynamodb:us-east-1:{HOME}:table/pets"


def explain(forecourt: Forecourt, *arguments: str) -> Result:
    return CliRunner().invoke(iam, ["explain", "--endpoint-url", forecourt.url, *arguments])


@pytest.fixture(scope="module")
def zoe(enforced: Forecourt) -> str:
    home = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    reads = allow("dynamodb:GetItem", TABLE, Condition=home)
    never = {"Effect": "Deny", "Action": "dynamodb:DeleteTable", "Resource": "*", "Sid": "Never"}
    user(enforced, "explained-zoe", policy(reads, never, allow("dynamodb:Delete*", TABLE)))
    return f"arn:aws:iam::{HOME}:user/explained-zoe"


def test_what_allows(enforced: Forecourt, zoe: str) -> None:
    found = explain(enforced, zoe, "dynamodb:GetItem", TABLE, "--context", "aws:SourceIp=10.1.2.3")
    assert found.exit_code == 0, found.output
    assert found.output.startswith("Allowed: statement 1 of the identity-based policy p0 allows it")
    assert "statement 2 (Never) (Deny): the action does not match" in found.output


def test_what_is_missing(enforced: Forecourt, zoe: str) -> None:
    found = explain(enforced, zoe, "dynamodb:GetItem", TABLE, "--context", "aws:SourceIp=192.168.1.1")
    assert found.exit_code == 1
    assert found.output.startswith("Denied: no identity-based policy allows it")
    assert "statement 1 (Allow): the condition" in found.output
    assert "aws:SourceIp is '192.168.1.1'" in found.output


def test_what_denies(enforced: Forecourt, zoe: str) -> None:
    found = explain(enforced, zoe, "dynamodb:DeleteTable", TABLE)
    assert found.exit_code == 1
    assert "statement 2 (Never) of the identity-based policy p0 explicitly denies it" in found.output


def test_the_policy_of_the_resource_is_looked_at(enforced: Forecourt, zoe: str) -> None:
    queues = enforced.client("sqs", **ROOT)
    url = queues.create_queue(QueueName="explained")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{HOME}:explained"
    document = policy(allow("sqs:SendMessage", arn, Principal={"AWS": zoe}))
    queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document})
    found = explain(enforced, zoe, "sqs:SendMessage", arn)
    assert found.exit_code == 0, found.output
    assert found.output.startswith("Allowed: statement 1 of the resource-based policy")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ann", "s3:GetObject"), "'ann' is not the ARN of a user, a role or an account's root"),
        ((f"arn:aws:iam::{HOME}:user/ann", "s3:GetObject", "*", "--context", "x"), "--context takes KEY=VALUE"),
    ],
)
def test_questions_that_make_no_sense(enforced: Forecourt, arguments: tuple[str, ...], words: str) -> None:
    found = explain(enforced, *arguments)
    assert found.exit_code != 0
    assert words in found.output
