"""Which service and operation a request is for.

Asked in this order, each question by whoever can answer it surely: the smithy-protocol header, `X-Amz-Target`, the
signing scope (with `Action` or the path, where services share a signing name), `Action` and `Version`, the host. An
operation that the service does not have is the service's error (`UnknownOperation`), not ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from forecourt.base.errors import UnknownOperation
from forecourt.wire import quirks, routes
from forecourt.wire.codecs import content_type, form_of
from forecourt.wire.errors import InvalidAction, MissingAction, UnknownService
from forecourt.wire.index import Entry, index
from forecourt.wire.messages import HttpRequest, Target
from forecourt.wire.models import Model, model
from forecourt.wire.rest import parse_query

DEFAULT_REGION = "us-east-1"
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_CREDENTIAL = re.compile(r"Credential=([^,\s]+)")
_RPC_PATH = re.compile(r"/service/([^/]+)/operation/([^/]+)/?")
_REST = ("rest-json", "rest-xml")
_QUERY = ("query", "ec2")


class Scope(NamedTuple):
    """`region` is "" where the signature names none (SigV4A), or there is none."""

    region: str
    signing_name: str


_UNSIGNED = Scope("", "")


def signing_scope(request: HttpRequest) -> Scope:
    """Of the Authorization header, or of a presigned URL. Reads, does not verify."""
    credential = _CREDENTIAL.search(request.header(b"authorization"))
    if credential is not None:
        return _scope(credential[1])
    if b"X-Amz-Credential" in request.query_string:
        return _scope(parse_query(request.query_string).get("X-Amz-Credential", [""])[0])
    return _UNSIGNED


def _scope(credential: str) -> Scope:
    """`AKID/20260101/eu-west-1/lambda/aws4_request`; SigV4A leaves the region out."""
    parts = credential.split("/")
    if len(parts) < 4 or parts[-1] != "aws4_request":
        return _UNSIGNED
    return Scope(parts[-3] if len(parts) > 4 else "", parts[-2])


def signs_for(service: str, signing_name: str) -> bool:
    """Whether a signature for `signing_name` is one for `service`."""
    entry = index().by_name.get(service)
    return entry is None or signing_name in (entry.signs_as, entry.endpoint_prefix, entry.name)


def resolve(request: HttpRequest, default_region: str = DEFAULT_REGION) -> Target:
    """Raises `UnknownService`, `UnknownOperation`, `MissingAction`, `SerializationException`."""
    scope = signing_scope(request)
    region = scope.region or _host_region(request) or default_region
    if request.header(b"smithy-protocol"):
        return _rpc(request, region)
    target = request.header(b"x-amz-target")
    if target:
        return _json(request, target, region)
    candidates = _by_scope(scope) or _by_host(request) or _by_old_signature(request)
    if candidates and all(entry.protocol in _REST for entry in candidates):
        return _rest(request, candidates, region)
    return _query(request, candidates, scope, region)


def addressee(request: HttpRequest) -> Target:
    """Whom a request that can't be resolved seems to be for: its client is answered in the protocol that it speaks."""
    scope = signing_scope(request)
    prefix = request.header(b"x-amz-target").rpartition(".")[0]
    entries = index().by_target_prefix.get(prefix) if prefix else _by_scope(scope) or _by_host(request)
    first = next(iter(_preferred_first(entries)), None) if entries else None
    return Target(
        service=first.name if first is not None else "",
        operation="",
        protocol=_spoken(request, first),
        region=scope.region or DEFAULT_REGION,
        json_version="1.0" if content_type(request).endswith("-1.0") else "1.1",
    )


def _spoken(request: HttpRequest, entry: Entry | None) -> str:
    """A client's own signs come first: services change their protocols."""
    if request.header(b"smithy-protocol"):
        return "smithy-rpc-v2-cbor"
    if request.header(b"x-amz-target"):
        return "json"
    if entry is not None:
        return "query" if entry.protocol == "smithy-rpc-v2-cbor" else entry.protocol
    return "query" if content_type(request) == "application/x-www-form-urlencoded" else "rest-json"


# -- RPC by header -----------------------------------------------------------------------------------------------------


def _rpc(request: HttpRequest, region: str) -> Target:
    path = _RPC_PATH.fullmatch(request.raw_path.decode("latin-1"))
    if request.header(b"smithy-protocol") != "rpc-v2-cbor" or path is None:
        raise UnknownOperation("The smithy-protocol header is rpc-v2-cbor with the path /service/…/operation/…")
    service = _by_target_prefix(path[1], path[2])
    return _target(service, path[2], "smithy-rpc-v2-cbor", region, request)


def _json(request: HttpRequest, target: str, region: str) -> Target:
    prefix, _, operation = target.rpartition(".")
    service = _by_target_prefix(prefix, operation)
    return _target(service, operation, "json", region, request)


def _by_target_prefix(prefix: str, operation: str) -> str:
    entries = index().by_target_prefix.get(prefix)
    if not entries:
        raise UnknownService(f"No service answers the target {prefix[:200]!r}")
    return next((entry.name for entry in entries if operation in model(entry.name).operations), entries[0].name)


def _target(service: str, operation: str, protocol: str, region: str, request: HttpRequest) -> Target:
    found = model(service).operations.get(operation)
    if found is None:
        raise UnknownOperation(f"The operation {operation[:200]!r} is not known to {service}")
    return Target(
        service=service,
        operation=operation,
        protocol=protocol,
        region=region,
        unsigned=found.unsigned,
        json_version="1.0" if content_type(request).endswith("-1.0") else "1.1",
        query_mode=bool(request.header(b"x-amzn-query-mode")),
    )


# -- who is asked ------------------------------------------------------------------------------------------------------


def _by_scope(scope: Scope) -> list[Entry]:
    if not scope.signing_name:
        return []
    known = index()
    found = known.by_signing_name.get(scope.signing_name) or known.by_endpoint_prefix.get(scope.signing_name)
    if not found and scope.signing_name in known.by_name:
        found = [known.by_name[scope.signing_name]]
    return found or _too_new(scope.signing_name)


def _too_new(name: str) -> list[Entry]:
    try:
        metadata = model(name).metadata
    except UnknownService:
        return []
    return [Entry(name, name, metadata.endpoint_prefix, metadata.protocol, metadata.api_version)]


def _host_labels(request: HttpRequest) -> list[str]:
    return request.header(b"host").rsplit(":", 1)[0].lower().split(".")


def _host_region(request: HttpRequest) -> str:
    return next((label for label in _host_labels(request) if _REGION.fullmatch(label)), "")


def _by_host(request: HttpRequest) -> list[Entry]:
    """`lambda.eu-west-1.amazonaws.com`, `sync-states.localhost`, `bucket.s3.localhost`: the first label that is a
    service's."""
    known = index()
    labels = _host_labels(request)
    for label in labels[:-1]:
        for name in (label, label.removeprefix("sync-").removeprefix("stream-")):
            found = known.by_endpoint_prefix.get(name) or known.by_signing_name.get(name)
            if found:
                return found
    return []


def _by_old_signature(request: HttpRequest) -> list[Entry]:
    """A URL that was presigned with version 2, which boto3 still does for S3 by default, names no service."""
    query = request.query_string
    return [index().by_name["s3"]] if b"AWSAccessKeyId=" in query and b"Signature=" in query else []


# -- REST --------------------------------------------------------------------------------------------------------------


def _rest(request: HttpRequest, candidates: list[Entry], region: str) -> Target:
    path = _path(request, candidates)
    for entry in _preferred_first(candidates, path):
        match = routes.match(entry.name, request, _from_start(entry.name, path))
        if match is None:
            continue
        found = model(entry.name).operations[match.operation]
        return Target(
            service=entry.name,
            operation=match.operation,
            protocol=entry.protocol,
            region=region,
            path_params=match.path_params,
            unsigned=found.unsigned,
        )
    raise UnknownOperation(f"{candidates[0].name} has no operation for {request.method} {path[:200]}")


def _path(request: HttpRequest, candidates: list[Entry]) -> str:
    """A bucket that is named by the host goes before the path, as the model has it."""
    path = request.raw_path.decode("latin-1")
    labels = _host_labels(request)
    if any(entry.name == "s3" for entry in candidates) and "s3" in labels[1:]:
        return f"/{'.'.join(labels[: labels.index('s3', 1)])}{path}"
    return path


def _from_start(service: str, path: str) -> str:
    start = _start(service, path)
    return path if start is None else path[start:]


def _start(service: str, path: str) -> int | None:
    pattern = quirks.PATH_START.get(service)
    found = pattern.search(path) if pattern is not None else None
    return None if found is None else found.start()


def _preferred_first(candidates: list[Entry], path: str = "") -> Iterable[Entry]:
    if len(candidates) == 1:
        return candidates
    preferred = quirks.PREFERRED.get(candidates[0].signs_as, candidates[0].signs_as)
    return sorted(candidates, key=lambda entry: (_start(entry.name, path) is None, entry.name != preferred))


# -- query -------------------------------------------------------------------------------------------------------------


def _query(request: HttpRequest, candidates: list[Entry], scope: Scope, region: str) -> Target:
    fields = dict(form_of(request))
    action, version = fields.get("Action", ""), fields.get("Version", "")
    if not action:
        return _without_action(request, candidates, scope, region)
    service = _by_action(action, candidates or _by_version(version, action))
    protocol = _query_protocol(model(service))
    found = model(service).operations.get(action)
    if found is None:
        raise InvalidAction(
            f"Could not find operation {action[:200]} for version {version[:40] or 'NO_VERSION_SPECIFIED'}"
        )
    return Target(service=service, operation=action, protocol=protocol, region=region, unsigned=found.unsigned)


def _without_action(request: HttpRequest, candidates: list[Entry], scope: Scope, region: str) -> Target:
    """Of the services that sign alike, a REST one may be meant: `sesv2` beside `ses`."""
    if not candidates:
        raise _nobody(scope)
    rest = [entry for entry in candidates if entry.protocol in _REST]
    first = next(iter(_preferred_first(candidates)))
    if rest and (first.protocol in _REST or request.raw_path != b"/"):
        return _rest(request, rest, region)
    if first.protocol in _QUERY:
        raise MissingAction("Missing Action")
    raise UnknownOperation(f"{first.name} is asked by its X-Amz-Target header, which is missing")


def _nobody(scope: Scope) -> UnknownService:
    if scope.signing_name:
        return UnknownService(f"AWS has no service that signs as {scope.signing_name[:200]!r}")
    return UnknownService("Nothing in the request names an AWS service: no signature, target, action or host")


def _query_protocol(found: Model) -> str:
    """A service that has left the query protocol still answers it."""
    return "ec2" if found.metadata.protocol == "ec2" else "query"


def _by_version(version: str, action: str) -> list[Entry]:
    found = [entry for entry in index().by_query_version.get(version, []) if action in model(entry.name).operations]
    if not found:
        raise UnknownService(f"No service has the action {action[:200]!r} in version {version[:40]!r}")
    return found


def _by_action(action: str, candidates: list[Entry]) -> str:
    """Services that share a signing name (rds, docdb and neptune) are told apart by what they can do."""
    for entry in _preferred_first(candidates):
        if action in model(entry.name).operations:
            return entry.name
    return next(iter(_preferred_first(candidates))).name
