"""Codes for a pool's own sender functions, encrypted as the AWS Encryption SDK does with the pool's KMS key.

The message format (version 1, algorithm 0x0178: AES-256-GCM with an HKDF-SHA256 key, no signature), with one encrypted
data key from KMS and one final frame. The functions decrypt it with their language's Encryption SDK.
https://docs.aws.amazon.com/encryption-sdk/latest/developer-guide/message-format.html
"""

from __future__ import annotations

import base64
import struct

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from forecourt.base.errors import ServiceError
from forecourt.base.ids import Ids
from forecourt.base.principal import service
from forecourt.services.cognito.errors import InvalidParameterException, UnexpectedLambdaException
from forecourt.services.cognito.triggers import Occasion, Triggers

_ALGORITHM = 0x0178
_IV_BYTES, _FRAME_BYTES = 12, 4096


class Encryption:
    def __init__(self, triggers: Triggers, ids: Ids) -> None:
        self._caller = triggers.caller
        self._ids = ids

    async def __call__(self, occasion: Occasion, code: str) -> str:
        key_id = occasion.pool.triggers.get("KMSKeyID")
        if not key_id:
            raise InvalidParameterException("KMSKeyID is required for custom sender triggers.")
        pool = occasion.pool
        context = msgspec.structs.replace(
            occasion.context, principal=service("cognito-idp.amazonaws.com", pool.account), region=pool.region
        )
        aad = {"userpool-id": pool.id}
        params = {"KeyId": key_id, "NumberOfBytes": 32, "EncryptionContext": aad}
        try:
            key = await self._caller.call(context, "kms", "GenerateDataKey", params)
        except ServiceError as error:
            raise UnexpectedLambdaException(f"The code could not be encrypted: {error.code}.") from error
        data_key, sealed_key = bytes(key["Plaintext"]), bytes(key["CiphertextBlob"])
        message = encrypt(code.encode(), data_key, sealed_key, key["KeyId"], aad, self._ids.bytes(16))
        return base64.b64encode(message).decode()


def encrypt(
    plaintext: bytes, data_key: bytes, sealed_key: bytes, key_arn: str, aad: dict[str, str], message_id: bytes
) -> bytes:
    header = _header(sealed_key, key_arn, aad, message_id)
    derived = HKDF(hashes.SHA256(), 32, salt=None, info=struct.pack(">H", _ALGORITHM) + message_id).derive(data_key)
    cipher = AESGCM(derived)
    header_iv, frame_iv = bytes(_IV_BYTES), struct.pack(">4xQ", 1)
    authentication = header_iv + cipher.encrypt(header_iv, b"", header)
    body_aad = message_id + b"AWSKMSEncryptionClient Final Frame" + struct.pack(">IQ", 1, len(plaintext))
    frame = struct.pack(">II", 0xFFFFFFFF, 1) + frame_iv + struct.pack(">I", len(plaintext))
    return header + authentication + frame + cipher.encrypt(frame_iv, plaintext, body_aad)


def _header(sealed_key: bytes, key_arn: str, aad: dict[str, str], message_id: bytes) -> bytes:
    pairs = b"".join(_sized(name.encode()) + _sized(value.encode()) for name, value in sorted(aad.items()))
    context = struct.pack(">H", len(aad)) + pairs
    keys = struct.pack(">H", 1) + _sized(b"aws-kms") + _sized(key_arn.encode()) + _sized(sealed_key)
    start = struct.pack(">BBH", 1, 0x80, _ALGORITHM) + message_id + _sized(context) + keys
    return start + struct.pack(">B4xBI", 2, _IV_BYTES, _FRAME_BYTES)


def _sized(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data
