"""REST APIs, resources, methods, integrations: what AWS answers, down to the wording."""

from __future__ import annotations

import pytest
from tests.apigateway.control_plane import START, Aws

LAMBDA = (
    "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
    "arn:aws:lambda:us-east-1:000000000000:function:pets/invocations"
)

MAPPING = "Invalid mapping expression specified: Validation Result: warnings : [], errors : "
PARAMETER_NAME = "Parameter name should match the following regular expression: ^[a-zA-Z0-9:._$-]+$"


async def make_api(aws: Aws, **members: object) -> tuple[str, str]:
    """An API's id and its root resource's."""
    api = await aws("CreateRestApi", **{"name": "pets", **members})
    return api["id"], api["rootResourceId"]


async def make_mock(aws: Aws, api: str, resource: str, http_method: str = "GET") -> dict[str, str]:
    method = {"restApiId": api, "resourceId": resource, "httpMethod": http_method}
    await aws("PutMethod", **method, authorizationType="NONE")
    await aws("PutIntegration", **method, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    return method


async def test_a_new_api(aws: Aws) -> None:
    api = await aws("CreateRestApi", name="pets", description="All of them", tags={"team": "zoo"})
    assert len(api["id"]) == len(api["rootResourceId"]) == 10
    assert api == {
        "id": api["id"],
        "rootResourceId": api["rootResourceId"],
        "name": "pets",
        "description": "All of them",
        "createdDate": START,
        "apiKeySource": "HEADER",
        "disableExecuteApiEndpoint": False,
        "endpointConfiguration": {"types": ["EDGE"], "ipAddressType": "ipv4"},
        "tags": {"team": "zoo"},
    }
    assert await aws("GetRestApi", restApiId=api["id"]) == api
    resources = await aws("GetResources", restApiId=api["id"])
    assert resources == {"items": [{"id": api["rootResourceId"], "path": "/"}]}


BAD_POLICY = "Invalid policy document. Please check the policy syntax and ensure that Principals are valid."


@pytest.mark.parametrize(
    ("members", "refusal"),
    [
        ({"description": ""}, "Description cannot be an empty string"),
        ({"minimumCompressionSize": -1}, "Invalid minimum compression size, must be between 0 and 10485760"),
        ({"minimumCompressionSize": 10485761}, "Invalid minimum compression size, must be between 0 and 10485760"),
        (
            {"endpointConfiguration": {"types": []}},
            "REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.",
        ),
        (
            {"endpointConfiguration": {"types": ["EDGE", "REGIONAL"]}},
            "Cannot create an api with multiple Endpoint Types.",
        ),
        (
            {"endpointConfiguration": {"types": ["PRIVATE"], "ipAddressType": "ipv4"}},
            "Only dualstack ipAddressType is supported for Private APIs.",
        ),
        (
            {"endpointConfiguration": {"types": ["REGIONAL"], "vpcEndpointIds": ["vpce-1"]}},
            "VPCEndpoints can only be specified with PRIVATE apis.",
        ),
        ({"policy": "not json"}, BAD_POLICY),
        ({"policy": '{"Statement": []}'}, BAD_POLICY),
        ({"policy": '{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'}, BAD_POLICY),
        ({"policy": '{"Statement": [{"Effect": "No", "Principal": "*", "Action": "*", "Resource": "*"}]}'}, BAD_POLICY),
    ],
)
async def test_an_api_that_is_refused(aws: Aws, members: dict[str, object], refusal: str) -> None:
    assert await aws.refused("CreateRestApi", name="pets", **members) == f"BadRequestException: {refusal}"
    assert (await aws("GetRestApis")) == {"items": []}


async def test_a_private_api_is_dualstack_by_default(aws: Aws) -> None:
    api = await aws("CreateRestApi", name="pets", endpointConfiguration={"types": ["PRIVATE"]})
    assert api["endpointConfiguration"] == {"types": ["PRIVATE"], "ipAddressType": "dualstack"}


async def test_a_policy_is_shown_escaped_as_aws_does(aws: Aws) -> None:
    statement = '{"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/a/b"}'
    policy = f'{{"Statement": [{statement}]}}'
    api = await aws("CreateRestApi", name="pets", policy=policy)
    assert api["policy"].startswith('{\\"Statement\\": [{\\"Effect\\"')
    assert "a\\/b" in api["policy"]


async def test_apis_are_listed_in_pages(aws: Aws) -> None:
    made = {(await make_api(aws, name=f"api-{n}"))[0] for n in range(7)}
    found: list[str] = []
    position: dict[str, str] = {}
    while True:
        page = await aws("GetRestApis", limit=3, **position)
        assert len(page["items"]) <= 3
        found += [api["id"] for api in page["items"]]
        if "position" not in page:
            break
        position = {"position": page["position"]}
    assert len(found) == 7
    assert set(found) == made
    assert await aws.refused("GetRestApis", position="junk!") == "BadRequestException: Invalid position specified"


async def test_an_api_that_is_not_there(aws: Aws) -> None:
    refusal = "NotFoundException: Invalid API identifier specified 000000000000:nothere"
    for operation in ("GetRestApi", "DeleteRestApi", "GetResources", "GetStages", "GetDeployments"):
        assert await aws.refused(operation, restApiId="nothere") == refusal
    assert await aws.refused("UpdateRestApi", restApiId="nothere") == refusal


async def test_deleting_an_api_deletes_what_it_is_made_of(aws: Aws) -> None:
    api, root = await make_api(aws)
    await make_mock(aws, api, root)
    deployment = await aws("CreateDeployment", restApiId=api, stageName="prod")
    await aws("DeleteRestApi", restApiId=api)
    assert (await aws.refused("GetResource", restApiId=api, resourceId=root)).startswith("NotFoundException")
    assert (await aws.refused("GetStage", restApiId=api, stageName="prod")).startswith("NotFoundException")
    assert (await aws.refused("GetDeployment", restApiId=api, deploymentId=deployment["id"])).startswith("NotFound")


async def test_a_clone_has_everything_but_the_stages(aws: Aws) -> None:
    api, root = await make_api(aws)
    await make_mock(aws, api, root)
    await aws("CreateDeployment", restApiId=api, stageName="prod")
    clone = await aws("CreateRestApi", name="copy", cloneFrom=api)
    assert clone["id"] != api
    methods = await aws("GetResources", restApiId=clone["id"], embed=["methods"])
    assert methods["items"][0]["resourceMethods"]["GET"]["methodIntegration"]["type"] == "MOCK"
    assert await aws("GetStages", restApiId=clone["id"]) == {"item": []}


async def test_the_tree_of_resources(aws: Aws) -> None:
    api, root = await make_api(aws)

    async def make(parent: str, part: str) -> dict[str, object]:
        return await aws("CreateResource", restApiId=api, parentId=parent, pathPart=part)

    pets = await make(root, "pets")
    assert pets == {"id": pets["id"], "parentId": root, "pathPart": "pets", "path": "/pets"}
    assert len(str(pets["id"])) == 6
    pet = await make(str(pets["id"]), "{petId}")
    assert pet["path"] == "/pets/{petId}"
    await make(str(pet["id"]), "photo")

    moved = await aws(
        "UpdateResource",
        restApiId=api,
        resourceId=str(pets["id"]),
        patchOperations=[{"op": "replace", "path": "/pathPart", "value": "animals"}],
    )
    assert moved["path"] == "/animals"
    paths = [item["path"] for item in (await aws("GetResources", restApiId=api))["items"]]
    assert paths == ["/", "/animals", "/animals/{petId}", "/animals/{petId}/photo"]

    await aws("DeleteResource", restApiId=api, resourceId=str(pets["id"]))
    assert [item["path"] for item in (await aws("GetResources", restApiId=api))["items"]] == ["/"]


@pytest.mark.parametrize(
    ("part", "refusal"),
    [
        ("pets", "ConflictException: Another resource with the same parent already has this name: pets"),
        (
            "{other}",
            "BadRequestException: A sibling ({id}) of this resource already has a variable path part -- only one is "
            "allowed",
        ),
        (
            "a b",
            "BadRequestException: Resource's path part only allow a-zA-Z0-9._-: and curly braces at the beginning and "
            "the end and an optional plus sign before the closing brace.",
        ),
        (
            "{x}y",
            "BadRequestException: Resource's path part only allow a-zA-Z0-9._-: and curly braces at the beginning and "
            "the end and an optional plus sign before the closing brace.",
        ),
    ],
)
async def test_a_path_part_that_is_refused(aws: Aws, part: str, refusal: str) -> None:
    api, root = await make_api(aws)
    await aws("CreateResource", restApiId=api, parentId=root, pathPart="pets")
    await aws("CreateResource", restApiId=api, parentId=root, pathPart="{id}")
    assert await aws.refused("CreateResource", restApiId=api, parentId=root, pathPart=part) == refusal


async def test_nothing_below_a_greedy_variable(aws: Aws) -> None:
    api, root = await make_api(aws)
    proxy = await aws("CreateResource", restApiId=api, parentId=root, pathPart="{proxy+}")
    refusal = await aws.refused("CreateResource", restApiId=api, parentId=proxy["id"], pathPart="x")
    assert refusal == "BadRequestException: Cannot create a child of a resource with a greedy path variable: {proxy+}"


async def test_moving_a_resource(aws: Aws) -> None:
    api, root = await make_api(aws)
    pets = await aws("CreateResource", restApiId=api, parentId=root, pathPart="pets")
    sub = await aws("CreateResource", restApiId=api, parentId=pets["id"], pathPart="sub")

    async def move(resource: str, path: str, value: str) -> str:
        patch = [{"op": "replace", "path": path, "value": value}]
        return await aws.refused("UpdateResource", restApiId=api, resourceId=resource, patchOperations=patch)

    assert await move(pets["id"], "/parentId", sub["id"]) == "BadRequestException: Resources cannot be cyclical."
    assert await move(pets["id"], "/parentId", "nothere") == "NotFoundException: Invalid Resource identifier specified"
    assert await move(root, "/pathPart", "x") == "BadRequestException: Root resource cannot update its pathPart."
    assert await move(root, "/parentId", sub["id"]) == "BadRequestException: Root resource cannot update its parentId."


async def test_methods_are_named_unless_they_are_embedded(aws: Aws) -> None:
    api, root = await make_api(aws)
    await make_mock(aws, api, root)
    assert (await aws("GetResource", restApiId=api, resourceId=root))["resourceMethods"] == {"GET": {}}
    embedded = await aws("GetResource", restApiId=api, resourceId=root, embed=["methods"])
    assert embedded["resourceMethods"]["GET"] == {
        "httpMethod": "GET",
        "authorizationType": "NONE",
        "apiKeyRequired": False,
        "methodIntegration": {
            "type": "MOCK",
            "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "passthroughBehavior": "WHEN_NO_MATCH",
            "timeoutInMillis": 29000,
            "cacheNamespace": root,
            "cacheKeyParameters": [],
        },
    }


@pytest.mark.parametrize(
    ("members", "refusal"),
    [
        (
            {"httpMethod": "FETCH"},
            "Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY",
        ),
        (
            {"authorizationType": "CUSTOM"},
            "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires "
            "a valid authorizer.",
        ),
        ({"requestValidatorId": "nope"}, "Invalid Request Validator identifier specified"),
        ({"requestModels": {"application/json": "petModel"}}, "Invalid model identifier specified: petModel"),
        (
            {"requestParameters": {"method.request.header.a": True, "method.request.querystring.a": True}},
            "Parameter names must be unique across querystring, header and path",
        ),
        (
            {"requestParameters": {"header.a": True}},
            "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping "
            "expression specified: header.a]",
        ),
    ],
)
async def test_a_method_that_is_refused(aws: Aws, members: dict[str, object], refusal: str) -> None:
    api, root = await make_api(aws)
    given = {"httpMethod": "GET", "authorizationType": "NONE", **members}
    assert await aws.refused("PutMethod", restApiId=api, resourceId=root, **given) == f"BadRequestException: {refusal}"


async def test_a_method_is_put_once(aws: Aws) -> None:
    api, root = await make_api(aws)
    method = await make_mock(aws, api, root)
    refusal = await aws.refused("PutMethod", **method, authorizationType="NONE")
    assert refusal == "ConflictException: Method already exists for this resource"
    await aws("DeleteMethod", **method)
    assert await aws.refused("GetMethod", **method) == "NotFoundException: Invalid Method identifier specified"
    assert await aws.refused("DeleteMethod", **method) == "NotFoundException: Invalid Method identifier specified"


ROLE = "arn:aws:iam::000000000000:role/r"


@pytest.mark.parametrize(
    ("members", "refusal"),
    [
        (
            {"type": "HTTP", "uri": "http://x/"},
            "BadRequestException: Enumeration value for HttpMethod must be non-empty",
        ),
        (
            {"type": "HTTP", "uri": "nowhere", "integrationHttpMethod": "GET"},
            "BadRequestException: Invalid HTTP endpoint specified for URI",
        ),
        (
            {"type": "AWS", "uri": "http://x/", "integrationHttpMethod": "POST"},
            "BadRequestException: Invalid ARN specified in the request",
        ),
        (
            {"type": "AWS", "uri": "arn:aws:apigateway:us-east-1:sqs:queue/q", "integrationHttpMethod": "POST"},
            "BadRequestException: AWS ARN for integration must contain path or action",
        ),
        (
            {"type": "AWS", "uri": "arn:aws:apigateway:us-east-1:sqs:path/q", "integrationHttpMethod": "POST"},
            "BadRequestException: Role ARN must be specified for AWS integrations",
        ),
        (
            {
                "type": "AWS_PROXY",
                "uri": "arn:aws:apigateway:us-east-1:sqs:path/q",
                "integrationHttpMethod": "POST",
                "credentials": ROLE,
            },
            "BadRequestException: Integrations of type 'AWS_PROXY' currently only supports Lambda function and "
            "Firehose stream invocations.",
        ),
        (
            {
                "type": "AWS",
                "uri": "arn:aws:apigateway:us-east-1:sqs:path/q",
                "integrationHttpMethod": "POST",
                "credentials": "arn:aws:iam::999999999999:role/r",
            },
            "AccessDeniedException: Cross-account pass role is not allowed.",
        ),
        ({"type": "MOCK", "timeoutInMillis": 49}, "BadRequestException: Timeout should be between 50 ms and 29000 ms"),
        (
            {"type": "MOCK", "requestParameters": {"integration.request.header.a": "true"}},
            "BadRequestException: Invalid mapping expression specified: Validation Result: warnings : [], errors : "
            "[Invalid mapping expression specified: true]",
        ),
        (
            {"type": "MOCK", "requestParameters": {"integration.request.path.proxy": "method.request.path.proxy"}},
            "BadRequestException: Invalid mapping expression specified: Validation Result: warnings : [], errors : "
            "[Invalid mapping expression parameter specified: method.request.path.proxy]",
        ),
        (
            {"type": "MOCK", "requestParameters": {"integration.request.header.a": "method.request.body.[?("}},
            f"BadRequestException: {MAPPING}[Invalid mapping expression specified: method.request.body.[?(]",
        ),
        (
            {"type": "MOCK", "cacheKeyParameters": ["method.context.authorizer.id"]},
            f"BadRequestException: {MAPPING}[Invalid mapping expression specified: method.context.authorizer.id]",
        ),
        (
            {"type": "MOCK", "cacheKeyParameters": ["method.request.path.id"]},
            "BadRequestException: Invalid cache key parameter specified",
        ),
        (
            {"type": "MOCK", "requestTemplates": {"123": "x"}},
            "BadRequestException: Validation Result: warnings : [], errors : [Invalid content type specified: 123]",
        ),
    ],
)
async def test_an_integration_that_is_refused(aws: Aws, members: dict[str, object], refusal: str) -> None:
    api, root = await make_api(aws)
    method = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    await aws("PutMethod", **method, authorizationType="NONE")
    assert await aws.refused("PutIntegration", **method, **members) == refusal
    gone = await aws.refused("GetIntegration", **method)
    assert gone == "NotFoundException: Invalid Integration identifier specified"


async def test_cache_keys_are_of_the_method_or_of_the_integration(aws: Aws) -> None:
    api, root = await make_api(aws)
    method = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    await aws(
        "PutMethod", **method, authorizationType="NONE", requestParameters={"method.request.querystring.a": False}
    )
    keys = ["method.request.querystring.a", "integration.request.header.who"]
    mapped = {"integration.request.header.who": "context.authorizer.principalId"}
    put = await aws("PutIntegration", **method, type="MOCK", cacheKeyParameters=keys, requestParameters=mapped)
    assert put["cacheKeyParameters"] == keys
    patch = [{"op": "add", "path": "/cacheKeyParameters/method.request.header.b", "value": ""}]
    refusal = await aws.refused("UpdateIntegration", **method, patchOperations=patch)
    assert refusal == "BadRequestException: Invalid cache key parameter specified"


async def test_selection_patterns(aws: Aws) -> None:
    api, root = await make_api(aws)
    method = await make_mock(aws, api, root, "POST")
    for status in ("200", "400", "500"):
        await aws("PutMethodResponse", **method, statusCode=status)
    await aws("PutIntegrationResponse", **method, statusCode="200")
    await aws("PutIntegrationResponse", **method, statusCode="200", selectionPattern="")
    refusal = await aws.refused("PutIntegrationResponse", **method, statusCode="400")
    assert refusal == "ConflictException: Integration response with selection pattern default already exists"
    refusal = await aws.refused("PutIntegrationResponse", **method, statusCode="400", selectionPattern="(4")
    assert refusal == "BadRequestException: Invalid selection pattern specified"
    await aws("PutIntegrationResponse", **method, statusCode="400", selectionPattern=r"4\d\d")
    await aws("PutIntegrationResponse", **method, statusCode="500", selectionPattern=r"5\d\d")
    patch = [{"op": "replace", "path": "/selectionPattern", "value": r"4\d\d"}]
    refusal = await aws.refused("UpdateIntegrationResponse", **method, statusCode="500", patchOperations=patch)
    assert refusal == r"ConflictException: Integration response with selection pattern 4\d\d already exists"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("method.request.querystring.filter[a]", PARAMETER_NAME),
        ("method.request.header.x[a]", PARAMETER_NAME),
        ("method.request.body.a", "Invalid mapping expression specified: method.request.body.a"),
    ],
)
async def test_a_method_parameter_that_is_refused(aws: Aws, name: str, said: str) -> None:
    api, root = await make_api(aws)
    method = {"restApiId": api, "resourceId": root, "httpMethod": "GET", "authorizationType": "NONE"}
    refusal = await aws.refused("PutMethod", **method, requestParameters={name: True})
    assert refusal == f"BadRequestException: {MAPPING}[{said}]"
    await aws("PutMethod", **method, requestParameters={"method.request.querystring.a$b:c-d.e_f": True})


async def test_a_lambda_integration_and_its_responses(aws: Aws) -> None:
    api, root = await make_api(aws)
    method = await make_mock(aws, api, root, "POST")
    put = await aws("PutIntegration", **method, type="AWS", uri=LAMBDA, integrationHttpMethod="POST")
    assert (put["httpMethod"], put["uri"]) == ("POST", LAMBDA)

    unknown = {"method.response.header.x": "'1'"}
    refusal = await aws.refused("PutIntegrationResponse", **method, statusCode="200", responseParameters=unknown)
    assert refusal == f"BadRequestException: {MAPPING}[No method response exists for method.]"
    await aws("PutMethodResponse", **method, statusCode="200", responseParameters={"method.response.header.y": False})
    refusal = await aws.refused("PutIntegrationResponse", **method, statusCode="200", responseParameters=unknown)
    assert refusal.endswith("[Invalid mapping expression parameter specified: method.response.header.x]")

    response = await aws(
        "PutIntegrationResponse",
        **method,
        statusCode="200",
        selectionPattern="",
        responseParameters={"method.response.header.y": "integration.response.header.y"},
    )
    assert await aws("GetIntegrationResponse", **method, statusCode="200") == response
    assert (await aws("GetIntegration", **method))["integrationResponses"] == {"200": response}
    await aws("DeleteIntegrationResponse", **method, statusCode="200")
    gone = await aws.refused("DeleteIntegrationResponse", **method, statusCode="200")
    assert gone == "NotFoundException: Invalid Response status code specified"
    await aws("DeleteIntegration", **method)
    gone = await aws.refused("GetIntegrationResponse", **method, statusCode="200")
    assert gone == "NotFoundException: Invalid Integration identifier specified"
