"""Virtual MFA devices: made, enabled by two consecutive codes, checked by STS."""

from __future__ import annotations

import base64
import io

from forecourt.base.call import CallContext, operation
from forecourt.services.iam import totp, views
from forecourt.services.iam.api.kit import IamApi, Kit, Request, Result, add_tags, insert, new_tags
from forecourt.services.iam.api.users import own_name
from forecourt.services.iam.errors import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    InvalidAuthenticationCodeException,
    NoSuchEntityException,
)
from forecourt.services.iam.model import MfaDevice, User, VirtualMfa
from forecourt.services.iam.store import missing, page, shown_tags, tags_of
from forecourt.store import Tx

_SEED_BYTES = 20
_MAX_DEVICES = 8


def purpose(serial: str) -> str:
    return f"iam.VirtualMfa/{serial}"


class MfaApi(IamApi):
    @operation("CreateVirtualMFADevice")
    async def create_virtual_mfa_device(self, context: CallContext, request: Request) -> Result:
        name = request["VirtualMFADeviceName"]
        serial = f"arn:aws:iam::{context.account}:mfa{request.get('Path') or '/'}{name}"
        seed = self.kit.ids.bytes(_SEED_BYTES)
        device = VirtualMfa(
            account=context.account,
            serial=serial,
            sealed_seed=self.kit.sealer.seal(seed, purpose(serial)),
            created_at=self.kit.clock.now(),
            tags=new_tags(request),
        )
        await self.store.write(lambda tx: insert(tx, device, "MFADevice entity at the same path and name"))
        secret = base64.b32encode(seed).decode()
        shown: Result = {
            "SerialNumber": serial,
            "Base32StringSeed": secret.encode(),
            "QRCodePNG": _qr(name, secret, context),
        }
        return {"VirtualMFADevice": shown | ({"Tags": shown_tags(device.tags)} if device.tags else {})}

    @operation("EnableMFADevice")
    async def enable_mfa_device(self, context: CallContext, request: Request) -> Result:
        serial, now = request["SerialNumber"], self.kit.clock.now()

        def change(user: User, tx: Tx) -> None:
            device = _device(tx, context.account, serial)
            if device.user is not None:
                raise EntityAlreadyExistsException("MFA Device is already in use")
            if len(user.mfa) >= _MAX_DEVICES:
                raise EntityAlreadyExistsException("MFA Device is already in use")
            device.last_step = _two_codes(self.kit, device, request, now)
            device.user, device.enabled_at = user.name, now
            user.mfa.append(MfaDevice(serial, now))
            tx.put(device)

        await self.directory.change(User, context.account, request["UserName"], change)
        return {}

    @operation("ResyncMFADevice")
    async def resync_mfa_device(self, context: CallContext, request: Request) -> Result:
        now = self.kit.clock.now()

        def change(tx: Tx) -> None:
            device = _device(tx, context.account, request["SerialNumber"])
            device.last_step = _two_codes(self.kit, device, request, now)
            tx.put(device)

        await self.store.write(change)
        return {}

    @operation("DeactivateMFADevice")
    async def deactivate_mfa_device(self, context: CallContext, request: Request) -> Result:
        serial = request["SerialNumber"]

        def change(tx: Tx) -> None:
            device = _device(tx, context.account, serial)
            owner = request.get("UserName") or device.user or ""
            user = tx.get(User, context.account, owner.lower())
            if user is None:
                raise missing(User, owner)
            if not any(held.serial == serial for held in user.mfa):
                raise NoSuchEntityException(f"MFA Device invalid for user {user.name}.")
            user.mfa = [held for held in user.mfa if held.serial != serial]
            device.user = device.enabled_at = None
            tx.put(user)
            tx.put(device)

        await self.store.write(change)
        return {}

    @operation("DeleteVirtualMFADevice")
    async def delete_virtual_mfa_device(self, context: CallContext, request: Request) -> Result:
        def change(tx: Tx) -> None:
            device = _device(tx, context.account, request["SerialNumber"])
            if device.user is not None:
                raise DeleteConflictException("Cannot delete entity, must deactivate MFA device first.")
            tx.delete(VirtualMfa, context.account, device.serial)

        await self.store.write(change)
        return {}

    @operation("ListMFADevices")
    async def list_mfa_devices(self, context: CallContext, request: Request) -> Result:
        name, of_root = request.get("UserName"), context.principal.kind == "root"
        users = []
        if name or not of_root:
            users = [await self.directory.get(User, context.account, own_name(context, name))]
        found = [(user.name, device) for user in users for device in user.mfa]
        devices, more = page(found, request, lambda held: held[1].serial)
        shown = [
            {"UserName": owner, "SerialNumber": device.serial, "EnableDate": device.enabled_at}
            for owner, device in devices
        ]
        return {"MFADevices": shown, **more}

    @operation("GetMFADevice")
    async def get_mfa_device(self, context: CallContext, request: Request) -> Result:
        device = await self._find(context.account, request["SerialNumber"])
        owner = {"UserName": device.user} if device.user else {}
        enabled = {"EnableDate": device.enabled_at} if device.enabled_at else {}
        return {"SerialNumber": device.serial, **owner, **enabled}

    @operation("ListVirtualMFADevices")
    async def list_virtual_mfa_devices(self, context: CallContext, request: Request) -> Result:
        status = request.get("AssignmentStatus") or "Any"
        found = [
            device
            for device in await self.store.list(VirtualMfa, context.account)
            if status == "Any" or (device.user is not None) == (status == "Assigned")
        ]
        devices, more = page(found, request, lambda device: device.serial)
        return {"VirtualMFADevices": [await self._shown(device) for device in devices], **more}

    async def _shown(self, device: VirtualMfa) -> Result:
        shown: Result = {"SerialNumber": device.serial}
        if device.user is not None:
            user = await self.directory.get(User, device.account, device.user)
            shown |= {"User": views.user(user), "EnableDate": device.enabled_at}
        return shown

    @operation("TagMFADevice")
    async def tag_mfa_device(self, context: CallContext, request: Request) -> Result:
        device = await self._find(context.account, request["SerialNumber"])
        add_tags(device.tags, tags_of(request))
        await self.store.write(lambda tx: tx.put(device))
        return {}

    @operation("UntagMFADevice")
    async def untag_mfa_device(self, context: CallContext, request: Request) -> Result:
        device = await self._find(context.account, request["SerialNumber"])
        device.tags = {key: value for key, value in device.tags.items() if key not in request["TagKeys"]}
        await self.store.write(lambda tx: tx.put(device))
        return {}

    @operation("ListMFADeviceTags")
    async def list_mfa_device_tags(self, context: CallContext, request: Request) -> Result:
        device = await self._find(context.account, request["SerialNumber"])
        tags, more = page(shown_tags(device.tags), request, lambda tag: tag["Key"])
        return {"Tags": tags, **more}

    async def _find(self, account: str, serial: str) -> VirtualMfa:
        return await self.store.write(lambda tx: _device(tx, account, serial))


async def is_code_right(kit: Kit, account: str, user: str, serial: str, code: str) -> bool:
    """Whether `code` is right for the user's own device. It then is used up."""
    now = kit.clock.now()

    def check(tx: Tx) -> bool:
        device = tx.get(VirtualMfa, account, serial)
        if device is None or device.user is None or device.user.lower() != user.lower():
            return False
        step = totp.matching_step(_seed(kit, device), code, now, device.last_step)
        if step is None:
            return False
        device.last_step = step
        tx.put(device)
        return True

    return await kit.directory.store.write(check)


def _device(tx: Tx, account: str, serial: str) -> VirtualMfa:
    device = tx.get(VirtualMfa, account, serial)
    if device is None:
        raise NoSuchEntityException(f"VirtualMFADevice with serial number {serial} doesn't exist.")
    return device


def _seed(kit: Kit, device: VirtualMfa) -> bytes:
    return kit.sealer.open(device.sealed_seed, purpose(device.serial))


def _two_codes(kit: Kit, device: VirtualMfa, request: Request, now: float) -> int:
    """The step of the second of two consecutive codes."""
    seed = _seed(kit, device)
    first = totp.matching_step(seed, request["AuthenticationCode1"], now)
    if first is None or totp.code(seed, first + 1) != request["AuthenticationCode2"]:
        raise InvalidAuthenticationCodeException("Authentication code for device is not valid.")
    return first + 1


def _qr(name: str, secret: str, context: CallContext) -> bytes:
    # Imported for the first QR code: a start does not wait for it.
    import segno

    label = f"{name}@{context.account}"
    picture = io.BytesIO()
    segno.make(f"otpauth://totp/Amazon%20Web%20Services:{label}?secret={secret}&issuer=Amazon%20Web%20Services").save(
        picture, kind="png", scale=4
    )
    return picture.getvalue()
