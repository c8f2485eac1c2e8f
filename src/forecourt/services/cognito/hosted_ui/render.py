"""From a page's name and values to a response: templates, and the headers that every page carries.

No page may be framed, run a script (but one, on the passkey page), load anything from elsewhere, or be cached. Cookies
are HttpOnly and SameSite=Lax. `form-action` names the client's redirect target too, since browsers apply it to the
redirect that answers a form.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from forecourt.services.cognito.oauth.http import Request, Response

if TYPE_CHECKING:
    from jinja2 import Environment

_HOST = re.compile(r"[A-Za-z0-9.\[\]:-]+")
_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("error", "notice", "scheme", "client_id", "query"), ""),
    **dict.fromkeys(("has_logo", "dark_logo", "has_icon"), False),
}
_STATIC = {
    "style.css": "text/css; charset=utf-8",
    "passkey.js": "text/javascript; charset=utf-8",
}


@cache
def _environment() -> Environment:
    # Imported for the first page: a start does not wait for it.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("forecourt.services.cognito.hosted_ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(name: str, status: int, redirect_uri: str, values: dict[str, Any]) -> Response:
    html = _environment().get_template(f"{name}.html").render({**_DEFAULTS, **values})
    return Response(status, html.encode(), "text/html; charset=utf-8", security_headers(name, redirect_uri))


def security_headers(name: str, redirect_uri: str) -> tuple[tuple[str, str], ...]:
    script = "'self'" if name == "passkey" else "'none'"
    policy = (
        f"default-src 'none'; script-src {script}; style-src 'self'; img-src 'self' data:; "
        f"form-action 'self'{_origin(redirect_uri)}; frame-ancestors 'none'; base-uri 'none'"
    )
    return (
        ("content-security-policy", policy),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    )


def cookie(request: Request, name: str, value: str, max_age: int | None = None) -> tuple[str, str]:
    """`max_age` 0 deletes it; None makes it last as long as the browser runs."""
    lifetime = "" if max_age is None else f"; Max-Age={max_age}"
    secure = "; Secure" if request.secure else ""
    return "set-cookie", f"{name}={value}; Path={request.base or '/'}; HttpOnly; SameSite=Lax{lifetime}{secure}"


@cache
def static(name: str) -> Response | None:
    kind = _STATIC.get(name)
    if kind is None:
        return None
    body = files("forecourt.services.cognito.hosted_ui").joinpath("static", name).read_bytes()
    return Response(200, body, kind, (("cache-control", "max-age=300"), ("x-content-type-options", "nosniff")))


def _origin(url: str) -> str:
    """A source of the policy; what is no plain host and port could end the directive and begin another."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https"):
        return f" {parts.scheme}://{parts.netloc}" if _HOST.fullmatch(parts.netloc) else ""
    return f" {parts.scheme}:" if parts.scheme else ""
