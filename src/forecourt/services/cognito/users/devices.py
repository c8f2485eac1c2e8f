"""A user's devices: confirmed with a verifier of their own secret, remembered or not, forgotten."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from forecourt.base.paging import encode_token
from forecourt.services.cognito import errors, schema, srp
from forecourt.services.cognito.credentials import Passwords
from forecourt.services.cognito.model import Device, Pool, User
from forecourt.services.cognito.pools import paging
from forecourt.services.cognito.store import Records
from forecourt.store import Tx, position

_SALT_BYTES = range(1, 65)


class Devices:
    def __init__(self, records: Records, passwords: Passwords) -> None:
        self._records = records
        self._passwords = passwords

    async def get(self, user: User, device_key: str) -> dict[str, Any]:
        device = await self._records.store.get(Device, user.pool_id, user.key, device_key)
        if device is None:
            raise _no_device()
        return {"Device": shown(device)}

    async def list(self, user: User, token: str | None, limit: int | None) -> dict[str, Any]:
        size = limit or paging.LARGEST_PAGE
        found = await self._records.store.list(
            Device, user.pool_id, user.key, after=paging.after(token), limit=size + 1
        )
        more = encode_token(position(found[size - 1])) if len(found) > size else None
        shown_devices = [shown(device) for device in found[:size] if device.confirmed]
        return paging.with_token({"Devices": shown_devices}, "PaginationToken", more)

    async def confirm(self, pool: Pool, user: User, device_key: str, request: Mapping[str, Any]) -> dict[str, Any]:
        verifier = _verifier(request.get("DeviceSecretVerifierConfig", {}))
        on_prompt = bool(pool.settings.get("DeviceConfiguration", {}).get("DeviceOnlyRememberedOnUserPrompt"))

        def confirm(tx: Tx) -> None:
            device = tx.get(Device, user.pool_id, user.key, device_key)
            if device is None:
                raise _no_device()
            if device.confirmed:
                raise errors.DeviceKeyExistsException("Device key already exists.")
            device.srp_verifier = self._passwords.seal_verifier(verifier)
            device.name = request.get("DeviceName", device.name)
            device.remembered = not on_prompt
            device.modified_at = self._records.clock.now()
            tx.put(device)

        await self._records.store.write(confirm)
        return {"UserConfirmationNecessary": on_prompt}

    async def set_status(self, user: User, device_key: str, status: str) -> None:
        def update(tx: Tx) -> None:
            device = tx.get(Device, user.pool_id, user.key, device_key)
            if device is None:
                raise _no_device()
            device.remembered = status == "remembered"
            device.modified_at = self._records.clock.now()
            tx.put(device)

        await self._records.store.write(update)

    async def forget(self, user: User, device_key: str) -> None:
        if not await self._records.store.write(lambda tx: tx.delete(Device, user.pool_id, user.key, device_key)):
            raise _no_device()


def shown(device: Device) -> dict[str, Any]:
    attributes = {
        "device_status": "valid",
        "device_name": device.name,
        "last_ip_used": device.ip,
        "dev:device_remembered_status": "remembered" if device.remembered else "not_remembered",
    }
    return {
        "DeviceKey": device.device_key,
        "DeviceAttributes": schema.as_list({name: value for name, value in attributes.items() if value}),
        "DeviceCreateDate": device.created_at,
        "DeviceLastModifiedDate": device.modified_at,
        "DeviceLastAuthenticatedDate": device.authenticated_at,
    }


def _verifier(config: Mapping[str, Any]) -> srp.Verifier:
    try:
        salt = base64.b64decode(config["Salt"], validate=True)
        value = int.from_bytes(base64.b64decode(config["PasswordVerifier"], validate=True), "big")
    except (KeyError, binascii.Error, ValueError):
        raise errors.InvalidParameterException("Invalid device secret verifier.") from None
    if len(salt) not in _SALT_BYTES or value % srp.N in (0, 1, srp.N - 1):
        raise errors.InvalidParameterException("Invalid device secret verifier.")
    return srp.Verifier(salt, value % srp.N)


def _no_device() -> errors.ResourceNotFoundException:
    return errors.ResourceNotFoundException("Device does not exist.")
