"""Tags as services write them: a map, or a list of keys and values under one name or another. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Params = Mapping[str, Any]

# The members that hold the tags that a request gives, or that a resource has.
_MEMBERS = ("Tags", "tags", "UserPoolTags", "IdentityPoolTags", "TagList", "TagSet")
# Pinpoint and S3 put them one level deeper.
_AROUND = ("TagsModel", "CreateApplicationRequest", "Tagging")
_KEY, _VALUE = ("Key", "key", "TagKey"), ("Value", "value", "TagValue")


def tags_in(message: Params) -> dict[str, str]:
    for name in _AROUND:
        if isinstance(message.get(name), Mapping):
            return tags_in(message[name])
    for name in _MEMBERS:
        given = message.get(name)
        if isinstance(given, Mapping):
            return {str(key): str(value) for key, value in given.items()}
        if isinstance(given, list) and all(isinstance(tag, Mapping) for tag in given):
            return dict(_pair(tag) for tag in given if any(name in tag for name in _KEY))
    return {}


def _pair(tag: Params) -> tuple[str, str]:
    key = next(str(tag[name]) for name in _KEY if name in tag)
    return key, next((str(tag[name]) for name in _VALUE if tag.get(name) is not None), "")


def request_tags(params: Params) -> dict[str, Any]:
    """The condition keys of a call that gives tags, or takes them away."""
    tags = tags_in(params)
    found: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    # UntagLogGroup calls the keys `tags`.
    named = params.get("TagKeys") or params.get("tagKeys") or params.get("tags") or ()
    keys = tuple(tags) or tuple(str(key) for key in named)
    return found | ({"aws:TagKeys": keys} if keys else {})
