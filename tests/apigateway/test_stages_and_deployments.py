"""Deployments freeze, stages point, canaries are promoted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.apigateway.control_plane import START, Aws, rest
from tests.apigateway.test_rest_apis import make_api, make_mock

from forecourt.base.clock import Clock
from forecourt.services.apigateway.snapshot import Snapshot
from forecourt.store import Store


async def deployable(aws: Aws) -> tuple[str, str]:
    api, root = await make_api(aws)
    await make_mock(aws, api, root)
    return api, root


async def deploy(aws: Aws, api: str, **members: Any) -> str:
    return str((await aws("CreateDeployment", restApiId=api, **members))["id"])


async def snapshot_of(store: Store, api: str, deployment: str) -> Snapshot:
    found = await store.get(Snapshot, "000000000000", "us-east-1", api, deployment)
    assert found is not None
    return found


async def test_what_can_not_be_deployed(aws: Aws) -> None:
    api, root = await make_api(aws)
    refusal = await aws.refused("CreateDeployment", restApiId=api)
    assert refusal == "BadRequestException: The REST API doesn't contain any methods"
    await aws("PutMethod", restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    refusal = await aws.refused("CreateDeployment", restApiId=api)
    assert refusal == "BadRequestException: No integration defined for method"
    assert (await aws("GetDeployments", restApiId=api))["items"] == []


async def test_a_deployment_is_frozen() -> None:
    async with rest() as (aws, store, _):
        api, root = await deployable(aws)
        first = await deploy(aws, api)
        pets = await aws("CreateResource", restApiId=api, parentId=root, pathPart="pets")
        await make_mock(aws, api, pets["id"], "POST")
        await aws(
            "UpdateRestApi",
            restApiId=api,
            patchOperations=[{"op": "add", "path": "/binaryMediaTypes/image~1png"}],
        )
        second = await deploy(aws, api)
        before, after = await snapshot_of(store, api, first), await snapshot_of(store, api, second)
        assert [resource.path for resource in before.resources] == ["/"]
        assert {resource.path for resource in after.resources} == {"/", "/pets"}
        assert (before.binary_media_types, after.binary_media_types) == ([], ["image/png"])
        summary = (await aws("GetDeployment", restApiId=api, deploymentId=second, embed=["apisummary"]))["apiSummary"]
        none = {"authorizationType": "NONE", "apiKeyRequired": False}
        assert summary == {"/": {"GET": none}, "/pets": {"POST": none}}


async def test_a_stage_made_with_the_deployment(aws: Aws) -> None:
    api, _ = await deployable(aws)
    first = await deploy(aws, api, stageName="prod", stageDescription="live", variables={"a": "1"})
    stage = await aws("GetStage", restApiId=api, stageName="prod")
    assert stage == {
        "stageName": "prod",
        "deploymentId": first,
        "description": "live",
        "variables": {"a": "1"},
        "cacheClusterEnabled": False,
        "cacheClusterStatus": "NOT_AVAILABLE",
        "methodSettings": {},
        "tracingEnabled": False,
        "createdDate": START,
        "lastUpdatedDate": START,
    }
    second = await deploy(aws, api, stageName="prod", variables={"b": "2"})
    stage = await aws("GetStage", restApiId=api, stageName="prod")
    assert (stage["deploymentId"], stage["description"], stage["variables"]) == (second, "live", {"a": "1", "b": "2"})
    refusal = await aws.refused("DeleteDeployment", restApiId=api, deploymentId=second)
    assert refusal == "BadRequestException: Active stages pointing to this deployment must be moved or deleted"
    await aws("DeleteDeployment", restApiId=api, deploymentId=first)
    refusal = await aws.refused("GetDeployment", restApiId=api, deploymentId=first)
    assert refusal == "NotFoundException: Invalid Deployment identifier specified"


async def test_stages_by_deployment(aws: Aws) -> None:
    api, _ = await deployable(aws)
    first, second = await deploy(aws, api), await deploy(aws, api)
    await aws("CreateStage", restApiId=api, stageName="a", deploymentId=first)
    await aws("CreateStage", restApiId=api, stageName="b", deploymentId=second)
    assert [s["stageName"] for s in (await aws("GetStages", restApiId=api))["item"]] == ["a", "b"]
    found = await aws("GetStages", restApiId=api, deploymentId=second)
    assert [stage["stageName"] for stage in found["item"]] == ["b"]


@pytest.mark.parametrize(
    ("members", "refusal"),
    [
        ({"stageName": "a b"}, "BadRequestException: Stage name only allows a-zA-Z0-9_-"),
        ({"stageName": "taken"}, "ConflictException: Stage already exists"),
        ({"deploymentId": "nope"}, "NotFoundException: Invalid Deployment identifier specified"),
        ({"documentationVersion": "v9"}, "NotFoundException: Invalid Documentation version specified"),
        ({"variables": {"a-b": "1"}}, "BadRequestException: Invalid stage variable name: a-b."),
        ({"variables": {"a": "<"}}, "BadRequestException: Invalid stage variable value: <."),
        ({"canarySettings": {"percentTraffic": 101.0}}, "BadRequestException: Invalid percent traffic specified."),
        ({"canarySettings": {"deploymentId": "nope"}}, "NotFoundException: Invalid Deployment identifier specified"),
    ],
)
async def test_a_stage_that_is_refused(aws: Aws, members: dict[str, Any], refusal: str) -> None:
    api, _ = await deployable(aws)
    deployment = await deploy(aws, api, stageName="taken")
    given = {"restApiId": api, "stageName": "new", "deploymentId": deployment, **members}
    assert (await aws.refused("CreateStage", **given)).startswith(refusal)
    assert len((await aws("GetStages", restApiId=api))["item"]) == 1


async def test_canary_deployments(aws: Aws) -> None:
    api, _ = await deployable(aws)
    canary: dict[str, Any] = {"percentTraffic": 50.0, "stageVariableOverrides": {"v": "canary"}}
    without = await aws.refused("CreateDeployment", restApiId=api, canarySettings=canary)
    assert without == (
        "BadRequestException: Invalid deployment content specified.Non null and non empty stageName must be provided "
        "for canary deployment. Provided value is null"
    )
    absent = await aws.refused("CreateDeployment", restApiId=api, stageName="none", canarySettings=canary)
    assert absent == (
        "BadRequestException: Invalid deployment content specified.Stage none must already be created before making a "
        "canary release deployment"
    )
    assert (await aws("GetDeployments", restApiId=api))["items"] == []

    first = await deploy(aws, api, stageName="dev", variables={"v": "default", "w": "kept"})
    second = await deploy(aws, api, stageName="dev", canarySettings=canary)
    stage = await aws("GetStage", restApiId=api, stageName="dev")
    assert stage["deploymentId"] == first
    assert stage["canarySettings"] == {
        "deploymentId": second,
        "percentTraffic": 50.0,
        "stageVariableOverrides": {"v": "canary"},
        "useStageCache": False,
    }
    promote = [
        {"op": "copy", "from": "/canarySettings/stageVariableOverrides", "path": "/variables"},
        {"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"},
        {"op": "remove", "path": "/canarySettings"},
    ]
    promoted = await aws("UpdateStage", restApiId=api, stageName="dev", patchOperations=promote)
    assert promoted["deploymentId"] == second
    assert promoted["variables"] == {"v": "canary", "w": "kept"}
    assert "canarySettings" not in promoted


async def test_a_private_api_is_not_deployed_without_a_policy(aws: Aws) -> None:
    api, _ = await deployable(aws)
    patch = [{"op": "replace", "path": "/endpointConfiguration/types/EDGE", "value": "PRIVATE"}]
    await aws("UpdateRestApi", restApiId=api, patchOperations=patch)
    assert (await aws.refused("CreateDeployment", restApiId=api)) == (
        "BadRequestException: Private REST API doesn't have a resource policy attached to it"
    )
    allow = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    await aws("UpdateRestApi", restApiId=api, patchOperations=[{"op": "replace", "path": "/policy", "value": policy}])
    await aws("CreateDeployment", restApiId=api)


async def test_access_logs_go_to_a_log_group_or_a_stream(aws: Aws) -> None:
    api, _ = await deployable(aws)
    await deploy(aws, api, stageName="dev")
    for arn, refused in (
        ("nonsense", True),
        ("arn:aws:s3:::bucket", True),
        ("arn:aws:logs:us-east-1:000000000000:log-group:g", False),
        ("arn:aws:firehose:us-east-1:000000000000:deliverystream/amazon-apigateway-x", False),
    ):
        patch = [{"op": "replace", "path": "/accessLogSettings/destinationArn", "value": arn}]
        call = {"restApiId": api, "stageName": "dev", "patchOperations": patch}
        if refused:
            assert (await aws.refused("UpdateStage", **call)) == (
                "BadRequestException: Invalid ARN specified in the request"
            )
        else:
            assert (await aws("UpdateStage", **call))["accessLogSettings"]["destinationArn"] == arn


async def test_a_stage_with_a_canary_takes_no_other_deployment(aws: Aws) -> None:
    api, _ = await deployable(aws)
    stage = {"restApiId": api, "stageName": "dev"}
    await deploy(aws, api, stageName="dev")
    await deploy(aws, api, stageName="dev", canarySettings={"percentTraffic": 5.0})
    other = await deploy(aws, api)
    refusal = "BadRequestException: Stage dev has canary settings."
    assert (await aws.refused("CreateDeployment", **stage)).startswith(refusal)
    patch = [{"op": "replace", "path": "/deploymentId", "value": other}]
    assert (await aws.refused("UpdateStage", **stage, patchOperations=patch)).startswith(refusal)
    bad = [{"op": "add", "path": "/canarySettings/stageVariableOverrides/a b", "value": "1"}]
    assert "Invalid stage variable name" in await aws.refused("UpdateStage", **stage, patchOperations=bad)
    removed = [{"op": "remove", "path": "/canarySettings"}, *patch]
    assert (await aws("UpdateStage", **stage, patchOperations=removed))["deploymentId"] == other


async def test_a_canary_by_update_has_the_stages_deployment(aws: Aws) -> None:
    api, _ = await deployable(aws)
    first = await deploy(aws, api, stageName="dev")
    patch = [{"op": "replace", "path": "/canarySettings/percentTraffic", "value": "50"}]
    updated = await aws("UpdateStage", restApiId=api, stageName="dev", patchOperations=patch)
    assert updated["canarySettings"] == {"deploymentId": first, "percentTraffic": 50.0, "useStageCache": False}


async def test_an_update_that_is_refused_changes_nothing() -> None:
    async with rest() as (aws, _, clock):
        api, _root = await deployable(aws)
        await deploy(aws, api, stageName="dev")
        before = await aws("GetStage", restApiId=api, stageName="dev")
        clock_moved(clock)
        for path, value in (
            ("/deploymentId", "nope"),
            ("/cacheClusterSize", "7"),
            ("/*/*/caching/ttlInSeconds", "3601"),
            ("/clientCertificateId", "nope"),
            ("/documentationVersion", "nope"),
            ("/accessLogSettings/format", "x" * 4000 + "$context.requestId"),
            ("/accessLogSettings/format", "no request id"),
        ):
            patch = [
                {"op": "replace", "path": "/description", "value": "changed"},
                {"op": "replace", "path": path, "value": value},
            ]
            await aws.refused("UpdateStage", restApiId=api, stageName="dev", patchOperations=patch)
        assert await aws("GetStage", restApiId=api, stageName="dev") == before
        patch = [{"op": "replace", "path": "/description", "value": "changed"}]
        after = await aws("UpdateStage", restApiId=api, stageName="dev", patchOperations=patch)
        assert (after["description"], after["lastUpdatedDate"]) == ("changed", START + 60)


def clock_moved(clock: Clock) -> None:
    clock.offset_seconds += 60


async def test_a_cache_has_a_size_and_a_status(aws: Aws) -> None:
    api, _ = await deployable(aws)
    await deploy(aws, api, stageName="dev", cacheClusterEnabled=True)
    stage = await aws("GetStage", restApiId=api, stageName="dev")
    assert (stage["cacheClusterSize"], stage["cacheClusterStatus"]) == ("0.5", "AVAILABLE")


async def test_caches_are_flushed_by_the_data_plane() -> None:
    flushed: list[tuple[str, ...]] = []

    class Caches:
        async def flush_stage(self, *key: str) -> None:
            flushed.append(("data", *key))

        async def flush_authorizers(self, *key: str) -> None:
            flushed.append(("authorizers", *key))

    async with rest(caches=Caches()) as (aws, _, _):
        api, _root = await deployable(aws)
        await deploy(aws, api, stageName="dev", cacheClusterEnabled=True)
        await aws("FlushStageCache", restApiId=api, stageName="dev")
        await aws("FlushStageAuthorizersCache", restApiId=api, stageName="dev")
        own = ("000000000000", "us-east-1", api, "dev")
        assert flushed == [("data", *own), ("authorizers", *own)]
        refusal = await aws.refused("FlushStageCache", restApiId=api, stageName="none")
        assert refusal == "NotFoundException: Invalid stage identifier specified"


async def test_test_invoke_is_of_the_api_as_it_is_now() -> None:
    asked: list[Any] = []

    class Tester:
        async def test_method(self, context: Any, snapshot: Snapshot, resource: str, method: str, request: Any) -> Any:
            asked.append((snapshot.rest_api_id, len(snapshot.resources), resource, method, request["body"]))
            return {"status": 200, "body": "ok", "headers": {}, "log": "", "latency": 1}

    async with rest(tester=Tester()) as (aws, _, _):
        api, root = await deployable(aws)
        await aws("CreateResource", restApiId=api, parentId=root, pathPart="x")
        result = await aws("TestInvokeMethod", restApiId=api, resourceId=root, httpMethod="GET", body="b")
        assert (result["status"], asked) == (200, [(api, 2, root, "GET", "b")])
        refusal = await aws.refused("TestInvokeMethod", restApiId=api, resourceId=root, httpMethod="PUT")
        assert refusal == "NotFoundException: Invalid Method identifier specified"
