"""KMS: a ciphertext tells its key, an alias stands for one, and ReEncrypt is two permissions.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

from forecourt.auth.actions.table import Params, Table, place_of
from forecourt.auth.supplies import UNMAPPED
from forecourt.base.call import CallContext, Demand


def _conditions(operation: str, params: Params) -> Mapping[str, Any]:
    # ReEncrypt has one for each side; a policy that asks for the pair must find it whole.
    given = params.get("EncryptionContext") or {}
    found: dict[str, Any] = {f"kms:EncryptionContext:{name}": value for name, value in given.items()}
    if given:
        found["kms:EncryptionContextKeys"] = tuple(given)
    names = {"KeySpec": "kms:KeySpec", "KeyUsage": "kms:KeyUsage", "Origin": "kms:KeyOrigin",
             "EncryptionAlgorithm": "kms:EncryptionAlgorithm", "SigningAlgorithm": "kms:SigningAlgorithm",
             "GranteePrincipal": "kms:GranteePrincipal"}  # fmt: skip
    found |= {key: params[name] for name, key in names.items() if params.get(name)}
    if params.get("Operations"):
        found["kms:GrantOperations"] = tuple(params["Operations"])
    return found


class _Kms(Table):
    """A ciphertext tells its key: whoever decrypts needs that one, whatever key the parameters name. An alias is asked
    about together with its key."""

    def demands(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        owner = {"kms:CallerAccount": context.account}
        for demand in self._demands(operation, params, context):
            yield demand._replace(conditions={**owner, **demand.conditions})

    def _demands(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        if operation == "ReEncrypt":
            source = {"KeyId": params.get("SourceKeyId"), "EncryptionContext": params.get("SourceEncryptionContext")}
            yield from self._of_ciphertext("ReEncryptFrom", {**params, **source}, context)
            target = {"KeyId": params.get("DestinationKeyId"),
                      "EncryptionContext": params.get("DestinationEncryptionContext")}  # fmt: skip
            yield from super().demands("ReEncryptTo", {**params, **target}, context)
        elif operation == "Decrypt":
            yield from self._of_ciphertext(operation, params, context)
        else:
            yield from super().demands(operation, params, context)
            if operation in ("CreateAlias", "UpdateAlias", "DeleteAlias"):
                key = params.get("TargetKeyId") or params["AliasName"]
                yield from super().demands(f"{operation}Target", {"KeyId": key}, context)

    def _of_ciphertext(self, action: str, params: Params, context: CallContext) -> Iterator[Demand]:
        named, told = params.get("KeyId"), key_of(params.get("CiphertextBlob"))
        if named is None and told is None:
            yield Demand(UNMAPPED, f"kms:{action} of a ciphertext that does not tell its key", {})
        if told is not None:
            account, region = place_of(str(named or ""), context)
            arn = f"arn:aws:kms:{region}:{account}:key/{told}"
            yield from super().demands(action, {**params, "KeyId": arn}, context)
        if named is not None:
            yield from super().demands(action, params, context)


_KEY_ID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}")


def key_of(ciphertext: Any) -> str | None:
    """The id of the key that the embedded KMS (moto) begins its ciphertexts with."""
    if isinstance(ciphertext, str):
        try:
            ciphertext = base64.b64decode(ciphertext)
        except ValueError:
            return None
    found = _KEY_ID.match(ciphertext) if isinstance(ciphertext, bytes) else None
    return found[0].decode() if found is not None else None


KMS = _Kms(
    "kms",
    """
@CreateKey, @ListKeys, @ListAliases, @GenerateRandom   *
@CreateAliasTarget = CreateAlias   {KeyId}
@UpdateAliasTarget = UpdateAlias   {KeyId}
@DeleteAliasTarget = DeleteAlias   {KeyId}
@CreateAlias, @UpdateAlias, @DeleteAlias   {AliasName}
KeyId         {KeyId}
*             *
""",
    normalize={"KeyId": lambda id: id if id.startswith(("arn:", "alias/")) else f"key/{id}"},
    conditions=_conditions,
)
