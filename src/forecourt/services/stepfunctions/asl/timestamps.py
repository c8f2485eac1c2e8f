"""Timestamps of the language: the profile of RFC 3339 that the specification names (`2016-03-14T01:59:00Z`)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def parse_timestamp(text: object) -> float | None:
    """Epoch seconds, or None where `text` is no timestamp."""
    if not isinstance(text, str) or not _FORM.fullmatch(text):
        return None
    try:
        # Python reads up to six digits of a fraction
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()
    except ValueError:
        return None


def format_timestamp(seconds: float) -> str:
    """With milliseconds and `Z`, as the context object shows times."""
    milliseconds = round(seconds * 1000)
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"
