"""Where moto answers otherwise than AWS, and infrastructure tools notice, it is mended when a service is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def mend(service: str) -> None:
    if service in _MENDED and service not in _done:
        _done.add(service)
        _MENDED[service]()


def _queue_attributes() -> None:
    """A change of one attribute leaves the policy alone, and a document comes back without spaces, as from AWS:
    Terraform compares it letter by letter."""
    from moto.sqs.models import Queue

    setting, showing = Queue._set_attributes, Queue.__dict__["attributes"]

    def set_attributes(self: Any, attributes: dict[str, Any], now: Any = None) -> None:
        if "Policy" not in attributes and getattr(self, "_policy_json", {}).get("Statement"):
            attributes = {**attributes, "Policy": json.dumps(self._policy_json)}
        setting(self, attributes, now)

    def shown(self: Any) -> dict[str, Any]:
        attributes: dict[str, Any] = showing.fget(self)
        for name in ("Policy", "RedrivePolicy"):
            if attributes.get(name):
                attributes[name] = json.dumps(json.loads(attributes[name]), separators=(",", ":"))
        return attributes

    Queue._set_attributes = set_attributes  # type: ignore[method-assign]
    Queue.attributes = property(shown)  # type: ignore[assignment]


def _stream_tags() -> None:
    """A stream is made with its tags, and they are also known by its ARN."""
    from moto.core.responses import ActionResult, EmptyResult
    from moto.kinesis.responses import KinesisResponse

    create = KinesisResponse.create_stream

    def create_stream(self: Any) -> Any:
        answer = create(self)
        if tags := self._get_param("Tags"):
            self.kinesis_backend.add_tags_to_stream(None, self._get_param("StreamName"), tags)
        return answer

    def tag_resource(self: Any) -> Any:
        self.kinesis_backend.add_tags_to_stream(self._get_param("ResourceARN"), None, self._get_param("Tags"))
        return EmptyResult()

    def untag_resource(self: Any) -> Any:
        self.kinesis_backend.remove_tags_from_stream(self._get_param("ResourceARN"), None, self._get_param("TagKeys"))
        return EmptyResult()

    def list_tags_for_resource(self: Any) -> Any:
        found = self.kinesis_backend.list_tags_for_stream(self._get_param("ResourceARN"), None)
        return ActionResult({"Tags": found["Tags"]})

    for method in (create_stream, tag_resource, untag_resource, list_tags_for_resource):
        setattr(KinesisResponse, method.__name__, method)


def _bucket_policies() -> None:
    """A bucket's policy was judged before the request came here; moto would judge it again, without its conditions."""
    from moto.iam.access_control import PermissionResult
    from moto.s3.models import FakeBucket

    judged = FakeBucket.get_permission

    def get_permission(self: Any, action: str, resource: str) -> Any:
        found = judged(self, action, resource)
        return PermissionResult.PERMITTED if found == PermissionResult.DENIED else found

    FakeBucket.get_permission = get_permission  # type: ignore[method-assign]


def _pipes() -> None:
    """moto keeps a pipe and carries nothing through it: none is made, nor set going."""
    from moto.pipes.models import EventBridgePipesBackend

    def refuse(self: Any, *args: Any, **more: Any) -> Any:
        raise NotImplementedError

    for name in ("create_pipe", "update_pipe", "start_pipe"):
        setattr(EventBridgePipesBackend, name, refuse)


_MENDED: dict[str, Callable[[], None]] = {
    "pipes": _pipes,
    "sqs": _queue_attributes,
    "kinesis": _stream_tags,
    "s3": _bucket_policies,
}
_done: set[str] = set()
