"""Browsers that a user's pool remembers as his devices, so that a device can stand for the second factor.

A browser has no secret of its own to prove by SRP, as an application's device does: it gets a random one in a cookie,
of which the device keeps the hash. The cookie names one device of one user: it helps nobody who does not pass the first
factor as this user, and ends when the device is forgotten, or not used for a year.
"""

from __future__ import annotations

import hmac

import msgspec

from forecourt.services.cognito.auth.attempt import Attempt, Visit
from forecourt.services.cognito.auth.finish import new_device
from forecourt.services.cognito.auth.kit import Kit
from forecourt.services.cognito.hosted_ui import render
from forecourt.services.cognito.model import Device, Pool, User
from forecourt.services.cognito.oauth.http import Request
from forecourt.services.cognito.store import token_hash

COOKIE = "cognito-device"
_YEAR_SECONDS = 365 * 86400


class Remembered(msgspec.Struct, frozen=True):
    """A device to keep, and the cookie that proves it."""

    device: Device
    cookie: tuple[str, str]


class BrowserDevices:
    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._records = kit.records

    async def proven(self, pool: Pool, request: Request, username: str) -> str:
        """The key of the user's device that the browser's cookie proves, or nothing."""
        key, _, secret = request.cookies.get(COOKIE, "").partition(".")
        user = await self._records.find_user(pool, username) if secret else None
        device = await self._records.store.get(Device, pool.id, user.key, key) if user else None
        if device is None or not device.remembered or not device.browser_hash:
            return ""
        used_lately = device.authenticated_at + _YEAR_SECONDS > self._records.clock.now()
        return key if used_lately and hmac.compare_digest(device.browser_hash, token_hash(secret)) else ""

    def asks(self, pool: Pool, attempt: Attempt) -> bool:
        """Whether the user is asked: in a pool where it is his choice, on a browser that is not known yet."""
        settings = pool.settings.get("DeviceConfiguration", {})
        return bool(settings.get("DeviceOnlyRememberedOnUserPrompt")) and not attempt.device_key

    def remembers(self, pool: Pool, attempt: Attempt) -> bool:
        """Whether the pool remembers every device without asking."""
        tracked = "DeviceConfiguration" in pool.settings and not attempt.device_key
        return tracked and not self.asks(pool, attempt)

    def remember(self, visit: Visit, request: Request, user: User) -> Remembered:
        device, secret = new_device(self._kit, visit, user), self._records.ids.alnum(43)
        device.remembered, device.browser_hash = True, token_hash(secret)
        value = f"{device.device_key}.{secret}"
        return Remembered(device, render.cookie(request, COOKIE, value, _YEAR_SECONDS))
