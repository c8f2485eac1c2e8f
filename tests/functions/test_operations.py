"""Lambda's operations besides Invoke: what they answer, refuse and keep."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from typing import Any

import pytest
from tests.functions.harness import ROLE, Lambda, zipped

from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids
from forecourt.base.paging import encode_token
from forecourt.services.functions.catalog import Target
from forecourt.services.functions.lineage import visited
from forecourt.services.functions.names import FunctionId, parse_function, parse_layer
from forecourt.telemetry.trace import Trace

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
CODE = {"app.py": "def handler(event, context): return [context.function_version, 'one']\n"}
OTHER = {"app.py": "def handler(event, context): return [context.function_version, 'two']\n"}

NAMES = [
    ("f", None, ("000000000000", "f", None)),
    ("f:1", None, ("000000000000", "f", "1")),
    ("f:$LATEST", None, ("000000000000", "f", "$LATEST")),
    ("f", "live", ("000000000000", "f", "live")),
    ("f:live", "live", ("000000000000", "f", "live")),
    ("function:f", None, ("000000000000", "f", None)),
    ("123456789012:function:f", None, ("123456789012", "f", None)),
    ("123456789012:f:2", None, ("123456789012", "f", "2")),
    (ARN + "f", None, ("000000000000", "f", None)),
    (ARN + "f:live", None, ("000000000000", "f", "live")),
    ("f:1", "2", "InvalidParameterValueException: The derived qualifier from the function name does not match"),
    ("arn:aws:lambda:eu-west-1:000000000000:function:f", None, "ResourceNotFoundException: Functions from 'eu-west-1'"),
    ("x" * 65, None, "ValidationException: 1 validation error detected: Value 'xxx"),
    ("a b", None, "InvalidParameterValueException: Invalid function name"),
]


@pytest.mark.parametrize(("text", "qualifier", "expected"), NAMES)
def test_forms_of_a_functions_name(text: str, qualifier: str | None, expected: Any) -> None:
    if isinstance(expected, str):
        with pytest.raises(ServiceError) as refused:
            parse_function(text, "000000000000", "us-east-1", qualifier)
        assert str(refused.value).startswith(expected)
    else:
        account, name, found = expected
        parsed = parse_function(text, "000000000000", "us-east-1", qualifier)
        assert parsed == FunctionId(account, "us-east-1", name, found)
        assert parse_function(parsed.arn, "1" * 12, "us-east-1") == parsed


def test_forms_of_a_layers_name() -> None:
    arn = "arn:aws:lambda:us-east-1:000000000000:layer:l"
    assert parse_layer("l", "000000000000", "us-east-1", 3).version_arn == arn + ":3"
    assert parse_layer(arn, "1" * 12, "us-east-1").arn == arn
    assert parse_layer(arn + ":7", "1" * 12, "us-east-1").version == 7


async def refuses(functions: Lambda, expected: str, operation: str, **params: Any) -> None:
    with pytest.raises(ServiceError) as refused:
        await functions.call(operation, **params)
    assert str(refused.value).startswith(expected)


async def test_what_create_function_answers(functions: Lambda) -> None:
    code = zipped(CODE)
    created = await functions.create("f", code, Tags={"k": "v"}, Environment={"Variables": {"A": "1"}})
    revision, modified = created.pop("RevisionId"), created.pop("LastModified")
    assert len(revision) == 36
    assert modified.endswith("+0000")
    assert created.pop("RuntimeVersionConfig")["RuntimeVersionArn"].startswith("arn:aws:lambda:us-east-1::runtime:")
    assert created == {
        "FunctionName": "f",
        "FunctionArn": ARN + "f",
        "Runtime": "python3.11",
        "Role": ROLE,
        "Handler": "app.handler",
        "CodeSize": len(code),
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "CodeSha256": base64.b64encode(hashlib.sha256(code).digest()).decode(),
        "Version": "$LATEST",
        "Environment": {"Variables": {"A": "1"}},
        "TracingConfig": {"Mode": "PassThrough"},
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"},
    }
    got = await functions.call("GetFunction", FunctionName=ARN + "f")
    assert got["Tags"] == {"k": "v"}
    assert got["Configuration"]["RevisionId"] == revision
    assert await functions.call("GetFunctionConfiguration", FunctionName="f") == got["Configuration"]


REFUSED_AT_CREATION: list[tuple[dict[str, Any], str]] = [
    ({"Timeout": 901}, "ValidationException: 1 validation error detected: Value '901' at 'timeout' failed to satisfy "
                       "constraint: Member must have value less than or equal to 900"),
    ({"MemorySize": 10241}, "InvalidParameterValueException: 'MemorySize' value failed to satisfy constraint"),
    ({"Runtime": "java21"}, "InvalidParameterValueException: Forecourt does not have the runtime java21"),
    ({"SnapStart": {"ApplyOn": "PublishedVersions"}},
     "InvalidParameterValueException: python3.11 is not supported for SnapStart enabled functions."),
    ({"Runtime": "python3.12", "SnapStart": {"ApplyOn": "PublishedVersions"}, "EphemeralStorage": {"Size": 1024}},
     "InvalidParameterValueException: SnapStart does not support ephemeral storage of more than 512 MB."),
    ({"PackageType": "Image"}, "InvalidParameterValueException: Forecourt runs functions without a container engine"),
    ({"Environment": {"Variables": {"AWS_REGION": "x"}}},
     "InvalidParameterValueException: Lambda was unable to configure your environment variables because the "
     "environment variables you have provided contains reserved keys that are currently not supported for "
     "modification. Reserved keys used in this request: AWS_REGION"),
    ({"Environment": {"Variables": {"LONG": "x" * 4096}}},
     "InvalidParameterValueException: Lambda was unable to configure your environment variables because the "
     "environment variables you have provided exceeded the 4KB limit."),
    ({"Environment": {"Variables": {"NULL": "a\x00b"}}},
     "InvalidParameterValueException: Environment variables must not contain null characters."),
    ({"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:none:1"]},
     "InvalidParameterValueException: Layer version arn:aws:lambda:us-east-1:000000000000:layer:none:1 does not exist"),
    ({"Role": "arn:aws:iam::000000000000:role/forbidden"},
     "InvalidParameterValueException: The role defined for the function cannot be assumed by Lambda."),
    ({"Code": {}}, "InvalidParameterValueException: Please provide a source for function code."),
    ({"Code": {"ZipFile": b"no zip"}}, "InvalidParameterValueException: Could not unzip uploaded file."),
    ({"Code": {"ZipFile": zipped({})}}, "InvalidParameterValueException: Uploaded file must be a non-empty zip"),
    ({"Code": {"S3Bucket": "b", "S3Key": "k"}}, "InvalidParameterValueException: Error occurred while GetObject. "
     "S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist."),
]  # fmt: skip


@pytest.mark.parametrize(("params", "expected"), REFUSED_AT_CREATION)
async def test_what_create_function_refuses(functions: Lambda, params: dict[str, Any], expected: str) -> None:
    whole = {
        "FunctionName": "f", "Runtime": "python3.11", "Role": ROLE, "Handler": "app.handler",
        "Code": {"ZipFile": zipped(CODE)}, **params,
    }  # fmt: skip
    await refuses(functions, expected, "CreateFunction", **whole)
    await refuses(functions, "ResourceNotFoundException: Function not found", "GetFunction", FunctionName="f")


async def test_a_function_exists_once(functions: Lambda) -> None:
    await functions.create("f", CODE)
    with pytest.raises(ServiceError) as refused:
        await functions.create("f", OTHER)
    assert str(refused.value) == "ResourceConflictException: Function already exist: f"
    assert refused.value.members["Type"] == "User"
    assert (await functions.invoke("f"))[0] == ["$LATEST", "one"]


async def test_code_from_s3(functions: Lambda) -> None:
    functions.records.objects["code", "f.zip"] = zipped(CODE)
    await functions.call(
        "CreateFunction", FunctionName="f", Runtime="python3.11", Role=ROLE, Handler="app.handler",
        Code={"S3Bucket": "code", "S3Key": "f.zip"},
    )  # fmt: skip
    assert (await functions.invoke("f"))[0] == ["$LATEST", "one"]


async def test_updates_reach_the_next_invocation(functions: Lambda) -> None:
    created = await functions.create("f", CODE)
    assert (await functions.invoke("f"))[0] == ["$LATEST", "one"]
    updated = await functions.call("UpdateFunctionCode", FunctionName="f", ZipFile=zipped(OTHER))
    assert updated["CodeSha256"] != created["CodeSha256"]
    assert (await functions.invoke("f"))[0] == ["$LATEST", "two"]
    changed = await functions.call(
        "UpdateFunctionConfiguration", FunctionName="f", Timeout=9, Environment={"Variables": {"A": "2"}}
    )
    assert (changed["Timeout"], changed["Environment"], changed["Handler"]) == (
        9,
        {"Variables": {"A": "2"}},
        "app.handler",
    )
    cleared = await functions.call("UpdateFunctionConfiguration", FunctionName="f", Environment={"Variables": {}})
    assert cleared["Environment"] == {"Variables": {}}


async def test_a_stale_revision_changes_nothing(functions: Lambda) -> None:
    created = await functions.create("f", CODE)
    expected = "PreconditionFailedException: The Revision Id provided does not match the latest Revision Id."
    await functions.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=5, RevisionId=created["RevisionId"])
    for operation, params in (
        ("UpdateFunctionConfiguration", {"Timeout": 7}),
        ("UpdateFunctionCode", {"ZipFile": zipped(OTHER)}),
        ("PublishVersion", {}),
    ):
        await refuses(functions, expected, operation, FunctionName="f", RevisionId=created["RevisionId"], **params)
    assert (await functions.call("GetFunctionConfiguration", FunctionName="f"))["Timeout"] == 5


async def test_versions_are_frozen_and_made_only_of_changes(functions: Lambda) -> None:
    await functions.create("f", CODE)
    first = await functions.call("PublishVersion", FunctionName="f")
    assert (first["Version"], first["FunctionArn"]) == ("1", ARN + "f:1")
    assert (await functions.call("PublishVersion", FunctionName="f"))["Version"] == "1"
    second = await functions.call("UpdateFunctionCode", FunctionName="f", ZipFile=zipped(OTHER), Publish=True)
    assert second["Version"] == "2"
    assert (await functions.invoke("f", Qualifier="1"))[0] == ["1", "one"]
    payload, answer = await functions.invoke("f:2")
    assert (payload, answer["ExecutedVersion"]) == (["2", "two"], "2")
    versions = (await functions.call("ListVersionsByFunction", FunctionName="f"))["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST", "1", "2"]
    assert versions[0]["FunctionArn"] == ARN + "f:$LATEST"
    await functions.call("DeleteFunction", FunctionName="f", Qualifier="1")
    await refuses(
        functions, "ResourceNotFoundException: Function not found: " + ARN + "f:1", "Invoke", FunctionName="f:1"
    )
    await functions.call("UpdateFunctionConfiguration", FunctionName="f", Description="x")
    assert (await functions.call("PublishVersion", FunctionName="f"))["Version"] == "3"
    wrong = "InvalidParameterValueException: CodeSHA256 (x) is different from current CodeSHA256 in $LATEST"
    await refuses(functions, wrong, "PublishVersion", FunctionName="f", CodeSha256="x")


async def test_an_alias_points_and_can_be_moved(functions: Lambda) -> None:
    await functions.create("f", CODE, Publish=True)
    await functions.call("UpdateFunctionCode", FunctionName="f", ZipFile=zipped(OTHER), Publish=True)
    made = await functions.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    assert made["AliasArn"] == ARN + "f:live"
    payload, answer = await functions.invoke("f:live")
    assert (payload, answer["ExecutedVersion"]) == (["1", "one"], "1")
    await functions.call("UpdateAlias", FunctionName="f", Name="live", FunctionVersion="2")
    assert (await functions.invoke(ARN + "f:live"))[0] == ["2", "two"]
    found = await functions.call("GetFunction", FunctionName="f", Qualifier="live")
    assert (found["Configuration"]["FunctionArn"], found["Configuration"]["Version"]) == (ARN + "f:live", "2")
    in_use = "ResourceConflictException: Unable to delete version because the following aliases reference it: [live]"
    await refuses(functions, in_use, "DeleteFunction", FunctionName="f", Qualifier="2")
    exists = f"ResourceConflictException: Alias already exists: {ARN}f:live"
    await refuses(functions, exists, "CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    missing = f"ResourceNotFoundException: Function not found: {ARN}f:9"
    await refuses(functions, missing, "CreateAlias", FunctionName="f", Name="new", FunctionVersion="9")
    await functions.call("DeleteAlias", FunctionName="f", Name="live")
    gone = f"ResourceNotFoundException: Cannot find alias arn: {ARN}f:live"
    await refuses(functions, gone, "GetAlias", FunctionName="f", Name="live")
    await refuses(
        functions, f"ResourceNotFoundException: Function not found: {ARN}f:live", "Invoke", FunctionName="f:live"
    )


async def test_a_weighted_alias_sends_its_share(functions: Lambda) -> None:
    await functions.create("f", CODE, Publish=True)
    await functions.call("UpdateFunctionCode", FunctionName="f", ZipFile=zipped(OTHER), Publish=True)
    routing = {"AdditionalVersionWeights": {"2": 0.25}}
    made = await functions.call(
        "CreateAlias", FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig=routing
    )
    assert made["RoutingConfig"] == routing
    target = await functions.functions._catalog.find(FunctionId("000000000000", "us-east-1", "f", "live"))
    assert isinstance(target, Target)
    ids = Ids(seed=1)
    shares = Counter(target.choose(ids).version for _ in range(4000))
    assert shares.keys() == {"1", "2"}
    assert abs(shares["2"] - 1000) < 150
    executed = {(await functions.invoke("f:live"))[1]["ExecutedVersion"] for _ in range(40)}
    assert executed == {"1", "2"}
    several = {"AdditionalVersionWeights": {"2": 0.1, "1": 0.1}}
    wrong = "InvalidParameterValueException: Number of items in AdditionalVersionWeights cannot be greater than 1"
    await refuses(functions, wrong, "UpdateAlias", FunctionName="f", Name="live", RoutingConfig=several)


async def test_listing_is_in_order_and_in_pages(functions: Lambda) -> None:
    code = zipped(CODE)
    for name in ("c", "a", "e", "b", "d"):
        await functions.create(name, code, Publish=name == "b")
    found, marker = [], None
    for _ in range(3):
        page = await functions.call("ListFunctions", MaxItems=2, **({"Marker": marker} if marker else {}))
        found.append([function["FunctionName"] for function in page["Functions"]])
        marker = page.get("NextMarker")
    assert found == [["a", "b"], ["c", "d"], ["e"]]
    assert marker is None
    first = await functions.call("ListFunctions", FunctionVersion="ALL", MaxItems=3)
    rest = await functions.call("ListFunctions", FunctionVersion="ALL", Marker=first["NextMarker"])
    everything = [*first["Functions"], *rest["Functions"]]
    assert [function["FunctionArn"].removeprefix(ARN) for function in everything] == [
        "a:$LATEST", "b:$LATEST", "b:1", "c:$LATEST", "d:$LATEST", "e:$LATEST",
    ]  # fmt: skip
    await refuses(functions, "InvalidParameterValueException: Invalid pagination token", "ListFunctions", Marker="%")


@pytest.mark.parametrize("position", [[], [""], ["a\x00b"], ["x"] * 9, ["999999999999", "us-east-1", "z"]])
async def test_a_marker_of_something_else_does_no_harm(functions: Lambda, position: list[str]) -> None:
    await functions.create("f", CODE, Publish=True)
    await functions.call("CreateAlias", FunctionName="f", Name="a", FunctionVersion="1")
    marker = encode_token(position)
    for operation, member in (
        ("ListFunctions", "Functions"),
        ("ListVersionsByFunction", "Versions"),
        ("ListAliases", "Aliases"),
        ("ListLayers", "Layers"),
        ("ListEventSourceMappings", "EventSourceMappings"),
        ("ListFunctionUrlConfigs", "FunctionUrlConfigs"),
    ):
        answer = await functions.call(operation, FunctionName="f", Marker=marker)
        assert len(answer[member]) <= 2


async def test_deleting_takes_everything_along_but_shared_code(functions: Lambda) -> None:
    code = zipped(CODE)
    blob = functions.functions._store.blobs.path(hashlib.sha256(code).hexdigest())
    await functions.create("f", code, Publish=True)
    await functions.create("g", code)
    await functions.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    await functions.invoke("f")
    await functions.call("DeleteFunction", FunctionName="f")
    for qualifier in ("$LATEST", "1", "live"):
        await refuses(functions, "ResourceNotFoundException", "Invoke", FunctionName=f"f:{qualifier}")
    await refuses(functions, "ResourceNotFoundException: Function not found", "DeleteFunction", FunctionName="f")
    assert (await functions.invoke("g"))[0] == ["$LATEST", "one"]
    assert blob.exists()
    await functions.call("UpdateFunctionCode", FunctionName="g", ZipFile=zipped(OTHER))
    assert not blob.exists()


async def test_the_resource_policy(functions: Lambda) -> None:
    await functions.create("f", CODE, Publish=True)
    none = "ResourceNotFoundException: The resource you requested does not exist."
    await refuses(functions, none, "GetPolicy", FunctionName="f")
    api = "arn:aws:execute-api:us-east-1:000000000000:abc/*"
    added = await functions.call(
        "AddPermission", FunctionName="f", StatementId="api", Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com", SourceArn=api, SourceAccount="000000000000",
    )  # fmt: skip
    statement = {
        "Sid": "api",
        "Effect": "Allow",
        "Principal": {"Service": "apigateway.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": ARN + "f",
        "Condition": {"ArnLike": {"AWS:SourceArn": api}, "StringEquals": {"AWS:SourceAccount": "000000000000"}},
    }
    assert json.loads(added["Statement"]) == statement
    got = await functions.call("GetPolicy", FunctionName="f")
    assert json.loads(got["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
    assert await functions.functions.permissions.policy(parse_function("f", "000000000000", "us-east-1")) == json.loads(
        got["Policy"]
    )
    twice = "ResourceConflictException: The statement id (api) provided already exists."
    params = {"FunctionName": "f", "StatementId": "api", "Action": "lambda:InvokeFunction", "Principal": "123456789012"}
    await refuses(functions, twice, "AddPermission", **params)
    version = await functions.call("AddPermission", **params, Qualifier="1")
    assert json.loads(version["Statement"])["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert json.loads(version["Statement"])["Resource"] == ARN + "f:1"
    wrong = "InvalidParameterValueException: The provided principal was invalid."
    await refuses(functions, wrong, "AddPermission", **{**params, "StatementId": "x", "Principal": "nobody"})
    missing = "ResourceNotFoundException: Statement other is not found in resource policy."
    await refuses(functions, missing, "RemovePermission", FunctionName="f", StatementId="other")
    await functions.call("RemovePermission", FunctionName="f", StatementId="api")
    await refuses(functions, none, "GetPolicy", FunctionName="f")


async def test_layers_are_versioned(functions: Lambda) -> None:
    content = {"ZipFile": zipped({"python/x.py": ""})}
    for number in (1, 2):
        made = await functions.call(
            "PublishLayerVersion", LayerName="l", Content=content, CompatibleRuntimes=["python3.11"]
        )
        assert made["Version"] == number
    arn = made["LayerVersionArn"]
    assert (await functions.call("GetLayerVersionByArn", Arn=arn))["Version"] == 2
    listed = await functions.call("ListLayerVersions", LayerName="l")
    assert [version["Version"] for version in listed["LayerVersions"]] == [2, 1]
    await functions.call("DeleteLayerVersion", LayerName="l", VersionNumber=2)
    missing = f"ResourceNotFoundException: Layer version {arn} does not exist."
    await refuses(functions, missing, "GetLayerVersion", LayerName="l", VersionNumber=2)
    assert (await functions.call("PublishLayerVersion", LayerName="l", Content=content))["Version"] == 3
    layers = (await functions.call("ListLayers"))["Layers"]
    assert [(layer["LayerName"], layer["LatestMatchingVersion"]["Version"]) for layer in layers] == [("l", 3)]
    layers = (await functions.call("ListLayers", CompatibleRuntime="python3.11"))["Layers"]
    assert layers[0]["LatestMatchingVersion"]["Version"] == 1
    await functions.call(
        "AddLayerVersionPermission", LayerName="l", VersionNumber=1, StatementId="s", Action="lambda:GetLayerVersion",
        Principal="*",
    )  # fmt: skip
    policy = await functions.call("GetLayerVersionPolicy", LayerName="l", VersionNumber=1)
    assert json.loads(policy["Policy"])["Statement"][0]["Principal"] == "*"


async def test_a_function_keeps_a_layer_that_was_deleted(functions: Lambda) -> None:
    layer = await functions.call(
        "PublishLayerVersion", LayerName="l", Content={"ZipFile": zipped({"python/lib.py": "X = 4"})}
    )
    code = {"app.py": "import lib\ndef handler(e, c): return lib.X\n"}
    await functions.create("f", code, Layers=[layer["LayerVersionArn"]])
    await functions.call("DeleteLayerVersion", LayerName="l", VersionNumber=1)
    assert (await functions.invoke("f"))[0] == 4


async def test_tags(functions: Lambda) -> None:
    await functions.create("f", CODE, Tags={"a": "1"})
    await functions.call("TagResource", Resource=ARN + "f", Tags={"b": "2"})
    await functions.call("UntagResource", Resource=ARN + "f", TagKeys=["a"])
    assert await functions.call("ListTags", Resource=ARN + "f") == {"Tags": {"b": "2"}}
    queue = "arn:aws:sqs:us-east-1:000000000000:q"
    made = await functions.call(
        "CreateEventSourceMapping", FunctionName="f", EventSourceArn=queue, Enabled=False, Tags={"c": "3"}
    )
    await functions.call("TagResource", Resource=made["EventSourceMappingArn"], Tags={"d": "4"})
    tags = await functions.call("ListTags", Resource=made["EventSourceMappingArn"])
    assert tags == {"Tags": {"c": "3", "d": "4"}}
    version = "InvalidParameterValueException: Tags on function aliases and versions are not supported."
    await refuses(functions, version, "TagResource", Resource=ARN + "f:1", Tags={})


async def test_what_infrastructure_tools_ask_besides(functions: Lambda) -> None:
    await functions.create("f", CODE)
    assert await functions.call("GetFunctionCodeSigningConfig", FunctionName="f") == {"FunctionName": "f"}
    assert await functions.call("GetRuntimeManagementConfig", FunctionName="f") == {
        "UpdateRuntimeOn": "Auto", "FunctionArn": ARN + "f",
    }  # fmt: skip
    assert await functions.call("GetFunctionRecursionConfig", FunctionName="f") == {"RecursiveLoop": "Terminate"}


async def test_reserved_concurrency_leaves_100_to_others(functions: Lambda) -> None:
    await functions.create("f", CODE)
    assert await functions.call("GetFunctionConcurrency", FunctionName="f") == {}
    await functions.call("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=900)
    assert (await functions.call("GetFunction", FunctionName="f"))["Concurrency"] == {
        "ReservedConcurrentExecutions": 900
    }
    await functions.create("g", CODE)
    expected = "InvalidParameterValueException: Specified ReservedConcurrentExecutions for function decreases account's"
    await refuses(functions, expected, "PutFunctionConcurrency", FunctionName="g", ReservedConcurrentExecutions=1)
    limits = (await functions.call("GetAccountSettings"))["AccountLimit"]
    assert (limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]) == (1000, 100)


async def test_provisioned_concurrency_starts_environments_ahead(functions: Lambda) -> None:
    await functions.create("f", CODE, Publish=True)
    params = {"FunctionName": "f", "Qualifier": "1"}
    missing = "ProvisionedConcurrencyConfigNotFoundException: No Provisioned Concurrency Config found"
    await refuses(functions, missing, "GetProvisionedConcurrencyConfig", **params)
    await functions.call("PutProvisionedConcurrencyConfig", **params, ProvisionedConcurrentExecutions=2)
    assert (await functions.call("GetProvisionedConcurrencyConfig", **params))["Status"] == "READY"
    await functions.invoke("f:1")
    await functions.invoke("f:1")
    assert functions.records.text.count("INIT_START") == 2
    await functions.call("DeleteProvisionedConcurrencyConfig", **params)
    await refuses(functions, missing, "GetProvisionedConcurrencyConfig", **params)


async def test_event_invoke_configs(functions: Lambda) -> None:
    await functions.create("f", CODE)
    missing = f"ResourceNotFoundException: The function {ARN}f:$LATEST doesn't have an EventInvokeConfig"
    await refuses(functions, missing, "GetFunctionEventInvokeConfig", FunctionName="f")
    await functions.call("PutFunctionEventInvokeConfig", FunctionName="f", MaximumRetryAttempts=0)
    updated = await functions.call("UpdateFunctionEventInvokeConfig", FunctionName="f", MaximumEventAgeInSeconds=60)
    assert (updated["MaximumRetryAttempts"], updated["MaximumEventAgeInSeconds"]) == (0, 60)
    assert updated["FunctionArn"] == ARN + "f:$LATEST"
    listed = await functions.call("ListFunctionEventInvokeConfigs", FunctionName="f")
    assert len(listed["FunctionEventInvokeConfigs"]) == 1
    await functions.call("DeleteFunctionEventInvokeConfig", FunctionName="f")
    await refuses(functions, missing, "GetFunctionEventInvokeConfig", FunctionName="f")


async def test_function_url_configs(functions: Lambda) -> None:
    await functions.create("f", CODE)
    made = await functions.call("CreateFunctionUrlConfig", FunctionName="f", AuthType="NONE")
    assert made["FunctionUrl"].startswith("http://localhost:4566/_aws/lambda-url/")
    await functions.call("UpdateFunctionUrlConfig", FunctionName="f", AuthType="AWS_IAM")
    assert (await functions.call("GetFunctionUrlConfig", FunctionName="f"))["AuthType"] == "AWS_IAM"
    await refuses(functions, "ResourceConflictException", "CreateFunctionUrlConfig", FunctionName="f", AuthType="NONE")
    await functions.call("DeleteFunctionUrlConfig", FunctionName="f")
    await refuses(functions, "ResourceNotFoundException", "GetFunctionUrlConfig", FunctionName="f")


async def test_variables_are_not_stored_in_clear(functions: Lambda) -> None:
    await functions.create("f", CODE, Environment={"Variables": {"PASSWORD": "open sesame"}})
    function = await functions.functions._store.function(FunctionId("000000000000", "us-east-1", "f"))
    assert b"sesame" not in function.configuration.variables
    assert function.configuration.variables


async def test_reset_forgets_everything(functions: Lambda) -> None:
    await functions.create("f", CODE)
    await functions.invoke("f")
    await functions.functions._store.store.reset()
    await functions.functions.reset()
    await refuses(functions, "ResourceNotFoundException", "Invoke", FunctionName="f")
    await functions.create("f", OTHER)
    assert (await functions.invoke("f"))[0] == ["$LATEST", "two"]


async def test_runtime_management_and_recursion_are_kept(functions: Lambda) -> None:
    await functions.create("f", CODE)
    runtime = "arn:aws:lambda:us-east-1::runtime:" + "a" * 64
    manual = {"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": runtime, "FunctionArn": ARN + "f"}
    assert await functions.call(
        "PutRuntimeManagementConfig", FunctionName="f", UpdateRuntimeOn="Manual", RuntimeVersionArn=runtime
    ) == manual  # fmt: skip
    assert await functions.call("GetRuntimeManagementConfig", FunctionName="f") == manual
    await functions.call("PublishVersion", FunctionName="f")
    assert await functions.call("GetRuntimeManagementConfig", FunctionName="f", Qualifier="1") == {
        "UpdateRuntimeOn": "Auto",
        "FunctionArn": ARN + "f:1",
    }
    with pytest.raises(ServiceError, match="RuntimeVersionArn must be given"):
        await functions.call("PutRuntimeManagementConfig", FunctionName="f", UpdateRuntimeOn="Manual")
    await functions.call("PutFunctionRecursionConfig", FunctionName="f", RecursiveLoop="Allow")
    assert await functions.call("GetFunctionRecursionConfig", FunctionName="f") == {"RecursiveLoop": "Allow"}


async def test_provisioned_concurrency_stays_within_what_there_is(functions: Lambda) -> None:
    await functions.create("f", CODE)
    await functions.call("PublishVersion", FunctionName="f")
    await functions.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")

    def put(qualifier: str, count: int) -> dict[str, Any]:
        return {"FunctionName": "f", "Qualifier": qualifier, "ProvisionedConcurrentExecutions": count}

    below = "InvalidParameterValueException: Specified ConcurrentExecutions for function decreases account's Unres"
    await refuses(functions, below, "PutProvisionedConcurrencyConfig", **put("live", 901))
    await functions.call("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=2)
    beyond = "InvalidParameterValueException: Requested Provisioned Concurrency should not be greater than the reserved"
    await refuses(functions, beyond, "PutProvisionedConcurrencyConfig", **put("live", 3))
    await functions.call("PutProvisionedConcurrencyConfig", **put("live", 2))
    pointed = "ResourceConflictException: Version is pointed by a Provisioned Concurrency alias"
    await refuses(functions, pointed, "PutProvisionedConcurrencyConfig", **put("1", 1))
    await functions.call("DeleteProvisionedConcurrencyConfig", FunctionName="f", Qualifier="live")
    await functions.call("PutProvisionedConcurrencyConfig", **put("1", 1))
    by_alias = "ResourceConflictException: Alias can't be used for Provisioned Concurrency configuration on an already"
    await refuses(functions, by_alias, "PutProvisionedConcurrencyConfig", **put("live", 1))
    await functions.call("DeleteProvisionedConcurrencyConfig", FunctionName="f", Qualifier="1")


async def test_an_event_invoke_config_says_something_and_not_the_function_itself(functions: Lambda) -> None:
    await functions.create("f", CODE)
    nothing = "InvalidParameterValueException: You must specify at least one of error handling or destination setting."
    await refuses(functions, nothing, "PutFunctionEventInvokeConfig", FunctionName="f")
    itself = "InvalidParameterValueException: You can't specify the function as a destination for itself."
    config = {"OnFailure": {"Destination": ARN + "f"}}
    await refuses(functions, itself, "PutFunctionEventInvokeConfig", FunctionName="f", DestinationConfig=config)


async def test_a_runtime_of_the_past_is_refused(functions: Lambda) -> None:
    with pytest.raises(ServiceError, match=r"The runtime parameter of python2\.7 is no longer supported for creating"):
        await functions.create("f", CODE, Runtime="python2.7")


async def test_code_signing_lets_in_what_it_says(functions: Lambda) -> None:
    publishers = {"SigningProfileVersionArns": ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/v"]}
    made = await functions.call(
        "CreateCodeSigningConfig", AllowedPublishers=publishers, Description="d", Tags={"a": "b"}
    )
    arn = made["CodeSigningConfig"]["CodeSigningConfigArn"]
    assert made["CodeSigningConfig"]["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Warn"}
    assert (await functions.call("ListTags", Resource=arn))["Tags"] == {"a": "b"}
    await functions.create("f", CODE, CodeSigningConfigArn=arn)
    assert (await functions.call("GetFunctionCodeSigningConfig", FunctionName="f"))["CodeSigningConfigArn"] == arn
    assert (await functions.call("ListFunctionsByCodeSigningConfig", CodeSigningConfigArn=arn))["FunctionArns"] == [
        ARN + "f"
    ]
    enforce = {"UntrustedArtifactOnDeployment": "Enforce"}
    await functions.call("UpdateCodeSigningConfig", CodeSigningConfigArn=arn, CodeSigningPolicies=enforce)
    failed = "CodeVerificationFailedException: Lambda cannot deploy the function."
    await refuses(functions, failed, "UpdateFunctionCode", FunctionName="f", ZipFile=zipped(OTHER))
    with pytest.raises(ServiceError, match="CodeVerificationFailedException"):
        await functions.create("g", CODE, CodeSigningConfigArn=arn)
    await refuses(functions, "ResourceConflictException:", "DeleteCodeSigningConfig", CodeSigningConfigArn=arn)
    await functions.call("DeleteFunctionCodeSigningConfig", FunctionName="f")
    await functions.call("UpdateFunctionCode", FunctionName="f", ZipFile=zipped(OTHER))
    await functions.call("PutFunctionCodeSigningConfig", FunctionName="f", CodeSigningConfigArn=arn)
    await functions.call("DeleteFunctionCodeSigningConfig", FunctionName="f")
    await functions.call("DeleteCodeSigningConfig", CodeSigningConfigArn=arn)
    gone = "ResourceNotFoundException: The Lambda code signing configuration"
    await refuses(functions, gone, "GetCodeSigningConfig", CodeSigningConfigArn=arn)
    missing = "CodeSigningConfigNotFoundException: The code signing configuration cannot be found."
    await refuses(functions, missing, "PutFunctionCodeSigningConfig", FunctionName="f", CodeSigningConfigArn=arn)


def test_a_trace_knows_where_it_has_been() -> None:
    came = Trace("1-5759e988-bd862e3fe1be46a994272793", others=(("Lineage", "junk|12345678:x|0a0a0a0a:3"),))
    first, once = visited(came, "arn:f")
    again, twice = visited(first, "arn:f")
    other, one = visited(again, "arn:g")
    assert (once, twice, one) == (1, 2, 1)
    lineage = dict(other.others)["Lineage"].split("|")
    assert lineage[0] == "0a0a0a0a:3"
    assert [part[8:] for part in lineage[1:]] == [":2", ":1"]
