"""Nobody of one account, its root included, reaches what another account has, unless the resource's policy says so.

On a loopback address an access key id of 12 digits is the root of that account.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.iam.enforcing import allow, policy, refusal

from forecourt.testing import Forecourt

HERS, HIS = "111122223333", "444455556666"
REGION = "us-east-1"


def keys_of_root(account: str) -> dict[str, str]:
    return {"aws_access_key_id": account, "aws_secret_access_key": "x"}


@pytest.fixture(scope="module")
def his(server: Forecourt) -> dict[str, str]:
    """A function, a bucket, a queue, a state machine of account `HIS`: their names."""
    keys = keys_of_root(HIS)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", "def handler(event, context):\n    return 'his'\n")
    role = f"arn:aws:iam::{HIS}:role/any"
    functions = server.client("lambda", **keys)
    function = functions.create_function(
        FunctionName="his", Runtime="python3.12", Role=role, Handler="app.handler", Code={"ZipFile": archive.getvalue()}
    )["FunctionArn"]
    functions.get_waiter("function_active_v2").wait(FunctionName="his")
    server.client("s3", **keys).create_bucket(Bucket="his-bucket")
    server.client("s3", **keys).put_object(Bucket="his-bucket", Key="k", Body=b"his")
    queue = server.client("sqs", **keys).create_queue(QueueName="his-queue")["QueueUrl"]
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    machine = server.client("stepfunctions", **keys).create_state_machine(
        name="his", definition=definition, roleArn=role
    )["stateMachineArn"]
    return {"function": function, "bucket": "his-bucket", "queue": queue, "machine": machine}


@pytest.fixture(scope="module", params=["root", "administrator"])
def her(server: Forecourt, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    if request.param == "root":
        yield keys_of_root(HERS)
        return
    iam = server.client("iam", **keys_of_root(HERS))
    iam.create_user(UserName="eve")
    iam.put_user_policy(UserName="eve", PolicyName="all", PolicyDocument=policy(allow("*")))
    key = iam.create_access_key(UserName="eve")["AccessKey"]
    yield {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


CALLS: dict[str, tuple[str, Callable[[Any, dict[str, str]], tuple[Any, dict[str, Any]]]]] = {
    "invoke": ("lambda", lambda c, his: (c.invoke, {"FunctionName": his["function"]})),
    "invoke, partial ARN": ("lambda", lambda c, his: (c.invoke, {"FunctionName": f"{HIS}:function:his"})),
    "invoke, shortest ARN": ("lambda", lambda c, his: (c.invoke, {"FunctionName": f"{HIS}:his"})),
    "read code": ("lambda", lambda c, his: (c.get_function, {"FunctionName": his["function"]})),
    "delete": ("lambda", lambda c, his: (c.delete_function, {"FunctionName": his["function"]})),
    "let oneself in": (
        "lambda",
        lambda c, his: (
            c.add_permission,
            {"FunctionName": his["function"], "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": HERS},
        ),
    ),
    "feed": (
        "lambda",
        lambda c, his: (
            c.create_event_source_mapping,
            {"FunctionName": his["function"], "EventSourceArn": f"arn:aws:sqs:{REGION}:{HIS}:his-queue"},
        ),
    ),
    "read an object": ("s3", lambda c, his: (c.get_object, {"Bucket": his["bucket"], "Key": "k"})),
    "write an object": ("s3", lambda c, his: (c.put_object, {"Bucket": his["bucket"], "Key": "k", "Body": b"hers"})),
    "open the bucket": (
        "s3",
        lambda c, his: (
            c.put_bucket_policy,
            {
                "Bucket": his["bucket"],
                "Policy": policy(allow("s3:*", f"arn:aws:s3:::{his['bucket']}", Principal="*")),
            },
        ),
    ),
    "read a log": (
        "logs",
        lambda c, his: (
            c.filter_log_events,
            {"logGroupIdentifier": f"arn:aws:logs:{REGION}:{HIS}:log-group:/his"},
        ),
    ),
    "send by a topic": (
        "sns",
        lambda c, his: (
            c.subscribe,
            {
                "TopicArn": c.create_topic(Name="to-him")["TopicArn"],
                "Protocol": "sqs",
                "Endpoint": f"arn:aws:sqs:{REGION}:{HIS}:his-queue",
            },
        ),
    ),
    "send by a rule": (
        "events",
        lambda c, his: (
            c.put_targets,
            {"Rule": "to-him", "Targets": [{"Id": "1", "Arn": f"arn:aws:sqs:{REGION}:{HIS}:his-queue"}]},
        ),
    ),
    "receive": ("sqs", lambda c, his: (c.receive_message, {"QueueUrl": his["queue"]})),
    "start": ("stepfunctions", lambda c, his: (c.start_execution, {"stateMachineArn": his["machine"]})),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_another_accounts_is_out_of_reach(
    server: Forecourt, his: dict[str, str], her: dict[str, str], name: str
) -> None:
    service, make = CALLS[name]
    call, params = make(server.client(service, **her), his)
    code, _, message = refusal(call, **params)
    assert code.startswith(("AccessDenied", "AuthorizationError")), (code, message)
    # S3 tells a stranger no reason.
    assert "because no resource-based policy allows" in message or (service, message) == ("s3", "Access Denied")


def test_a_queues_policy_lets_another_account_send_to_it(server: Forecourt, his: dict[str, str]) -> None:
    owner = server.client("sqs", **keys_of_root(HIS))
    arn = f"arn:aws:sqs:{REGION}:{HIS}:his-queue"
    opened = policy(allow("sqs:SendMessage", arn, Principal={"AWS": HERS}))
    owner.set_queue_attributes(QueueUrl=his["queue"], Attributes={"Policy": opened})
    server.client("sqs", **keys_of_root(HERS)).send_message(QueueUrl=his["queue"], MessageBody="from her")
    assert owner.receive_message(QueueUrl=his["queue"])["Messages"][0]["Body"] == "from her"
    owner.set_queue_attributes(QueueUrl=his["queue"], Attributes={"Policy": ""})


def test_a_bucket_name_of_another_account_is_taken(server: Forecourt, his: dict[str, str]) -> None:
    assert refusal(server.client("s3", **keys_of_root(HERS)).create_bucket, Bucket=his["bucket"])[:2] == (
        "BucketAlreadyExists",
        409,
    )


def test_root_is_bound_by_a_buckets_deny_and_can_take_it_back(server: Forecourt) -> None:
    mine = server.client("s3", **keys_of_root(HERS))
    mine.create_bucket(Bucket="locked-bucket")
    everything = ["arn:aws:s3:::locked-bucket", "arn:aws:s3:::locked-bucket/*"]
    mine.put_bucket_policy(
        Bucket="locked-bucket", Policy=policy({**allow("s3:*", everything, Principal="*"), "Effect": "Deny"})
    )
    code, status, message = refusal(mine.put_object, Bucket="locked-bucket", Key="k", Body=b"x")
    assert (code, status) == ("AccessDenied", 403)
    assert message.endswith("with an explicit deny in a resource-based policy")
    mine.delete_bucket_policy(Bucket="locked-bucket")
    mine.put_object(Bucket="locked-bucket", Key="k", Body=b"x")
