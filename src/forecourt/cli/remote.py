"""Asks a running Forecourt for one of its own pages."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import click
import msgspec

_TIMEOUT_SECONDS = 10


def ask(endpoint_url: str, path: str, content: Any = None) -> Any:
    """GET, or POST of `content` as JSON. Ends the command with a sentence where there is no answer to use."""
    body = None if content is None else msgspec.json.encode(content)
    request = urllib.request.Request(endpoint_url.rstrip("/") + path, body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            return msgspec.json.decode(response.read())
    except urllib.error.HTTPError as error:
        raise click.ClickException(_reason(error)) from error
    except (OSError, msgspec.DecodeError) as error:
        raise click.ClickException(
            f"No Forecourt answers at {endpoint_url}. Start one with `forecourt start`, or name another --endpoint-url."
        ) from error


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(msgspec.json.decode(error.read())["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return f"Forecourt answered {error.code} {error.reason}"
