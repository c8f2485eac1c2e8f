"""/assets/…: our style sheet and script, a customization's or branding's style sheet, its logo and its icon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from forecourt.services.cognito.hosted_ui import render, style
from forecourt.services.cognito.model import Branding, Customization, Pool
from forecourt.services.cognito.oauth.http import Request, Response
from forecourt.services.cognito.store import Records

_HEADERS = (
    ("cache-control", "max-age=60"),
    ("x-content-type-options", "nosniff"),
    # An SVG may carry a script: it is shown as a picture only.
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
)
_KINDS = {"PNG": "image/png", "JPEG": "image/jpeg", "SVG": "image/svg+xml", "WEBP": "image/webp", "ICO": "image/x-icon"}


LOGO = ("FORM_LOGO",)
FAVICONS = ("FAVICON_SVG", "FAVICON_ICO")


class Assets:
    def __init__(self, records: Records) -> None:
        self._records = records

    async def find(self, pool: Pool, path: str, request: Request) -> Response | None:
        name = path.removeprefix("/assets/")
        client_id = request.query.get("client_id", "")
        if name == "theme.css":
            return Response(200, (await self._theme(pool, client_id)).encode(), "text/css; charset=utf-8", _HEADERS)
        if name == "logo":
            return await self._logo(pool, client_id, request.query.get("mode", "light"))
        if name == "favicon":
            return _shown(picture(await self._branding(pool, client_id), FAVICONS, "light"))
        return render.static(name)

    async def _theme(self, pool: Pool, client_id: str) -> str:
        branding = await self._branding(pool, client_id)
        if branding is not None:
            return style.theme(branding.settings)
        found = [await self._records.store.get(Customization, pool.id, key) for key in ("ALL", client_id)]
        return "\n".join(customization.css for customization in found if customization)

    async def _logo(self, pool: Pool, client_id: str, mode: str) -> Response | None:
        branded = _shown(picture(await self._branding(pool, client_id), LOGO, mode))
        if branded is not None:
            return branded
        for key in (client_id, "ALL"):
            found = await self._records.store.get(Customization, pool.id, key)
            if found is not None and found.image:
                return Response(200, found.image, _image_type(found.image), _HEADERS)
        return None

    async def _branding(self, pool: Pool, client_id: str) -> Branding | None:
        found = await self._records.store.find(Branding, "by_client", pool.id, client_id)
        return found[0] if found else None


def picture(branding: Branding | None, categories: Sequence[str], mode: str) -> dict[str, Any] | None:
    """The asset for pages that are `light` or `dark`, or else one of that kind."""
    found = [asset for asset in (branding.assets if branding else ()) if asset["Category"] in categories]
    return next((asset for asset in found if asset["ColorMode"] == mode.upper()), found[0] if found else None)


def _shown(asset: dict[str, Any] | None) -> Response | None:
    if asset is None:
        return None
    return Response(200, bytes(asset.get("Bytes", b"")), _KINDS[asset["Extension"]], _HEADERS)


def _image_type(data: bytes) -> str:
    return "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
