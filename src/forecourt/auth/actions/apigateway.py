"""API Gateway's control planes: the action is the HTTP method, the resource the path that it is used on.

So `apigateway:GET` on `arn:aws:apigateway:eu-west-1::/restapis/abc/resources` lists an API's resources. Methods and
paths are those of AWS's models; HTTP APIs (`/v2/apis/…`) stand in policies without the version.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-iam-policy-examples.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from forecourt.auth.actions.table import Params, role_demands, roles_in
from forecourt.base.call import CallContext, Demand

_SERVICE = "apigateway.amazonaws.com"
_ROLE_MEMBERS = ("credentials", "authorizerCredentials", "CredentialsArn", "AuthorizerCredentialsArn")
# What ImportRestApi, PutRestApi, ImportApi and ReimportApi read integrations and authorizers from.
_DEFINITIONS = ("body", "Body")
# A longer one is not parsed for its roles but searched.
_MOST_PARSED = 256 * 1024
_ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]*")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
_JOINED = re.compile(r"\\(?:(/)|\r?\n[ \t]*)")
_ROLE_PATHS = ("/credentials", "/authorizerCredentials", "/cloudwatchRoleArn")


class ApiGateway:
    prefix = "apigateway"

    def __init__(self, service: str) -> None:
        self._service = service

    def demands(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        method, path = _routes(self._service)[operation]
        yield Demand(f"apigateway:{method}", f"arn:aws:apigateway:{context.region}::{_filled(path, params)}", {})
        roles = [str(params[name]) for name in _ROLE_MEMBERS if params.get(name)]
        roles += [
            str(patch.get("value", ""))
            for patch in params.get("patchOperations") or ()
            if patch.get("path") in _ROLE_PATHS and patch.get("op") != "remove"
        ]
        for member in _DEFINITIONS:
            roles += sorted(roles_in(_definition(params.get(member))))
        # `arn:aws:iam::*:user/*` means the caller's own credentials: no role is passed.
        yield from role_demands([role for role in roles if ":role/" in role], _SERVICE, context)


def _definition(body: Any) -> Any:
    """An OpenAPI document, every scalar of it a text. One that cannot be read is refused by the import, which takes no
    aliases either."""
    if not isinstance(body, str | bytes):
        return None
    import yaml

    text = body if isinstance(body, str) else body.decode("utf-8-sig", "replace")
    if len(text) > _MOST_PARSED:
        return {"credentials": _roles_of(text)}
    try:
        if text.lstrip()[:1] == "{":
            return json.loads(text)
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.CBaseLoader)):
            return None
        return yaml.load(text, Loader=yaml.CBaseLoader)
    except (ValueError, TypeError, yaml.YAMLError, RecursionError):
        return None


def _roles_of(text: str) -> list[str]:
    """Every role's ARN in a text that would keep the loop for seconds if it were parsed, wherever it stands in it.

    Neither notation can write one with a break inside but by an escape, and those are undone first.
    """
    plain = _ESCAPE.sub(lambda found: chr(min(int(found[1] or found[2] or found[3], 16), 0xFFFF)), text)
    found = _ROLE.findall(_JOINED.sub(lambda joined: joined[1] or "", plain))
    # A comma or full stop at the end may be the ARN's, or the notation's.
    return sorted({arn for given in found for arn in (given, given.rstrip(",."))})


def _filled(path: str, params: Params) -> str:
    found = re.sub(r"\{(\w+)\}", lambda member: str(params.get(member[1], "")), path)
    return found.removeprefix("/v2")


@cache
def _routes(service: str) -> Mapping[str, tuple[str, str]]:
    """Method and path of every operation, with the members' names in the path's braces."""
    # Imported when first asked for: a start does not wait for it.
    from botocore.loaders import create_loader

    model = create_loader().load_service_model(service, "service-2")
    shapes, routes = model["shapes"], {}
    for name, operation in model["operations"].items():
        labels = _labels(shapes, operation)
        path = operation["http"]["requestUri"].partition("?")[0]
        for label, member in labels.items():
            path = re.sub(rf"\{{{label}\+?\}}", f"{{{member}}}", path)
        routes[name] = (operation["http"]["method"], path)
    return routes


def _labels(shapes: Mapping[str, Any], operation: Mapping[str, Any]) -> dict[str, str]:
    if "input" not in operation:
        return {}
    members = shapes[operation["input"]["shape"]].get("members", {})
    return {
        member.get("locationName", name): name for name, member in members.items() if member.get("location") == "uri"
    }
