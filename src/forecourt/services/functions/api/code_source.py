"""Where the code of a function or layer comes from: the request itself, or an object in S3."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from forecourt.base.call import CallContext, Caller
from forecourt.base.errors import ServiceError
from forecourt.services.functions.code import check_zip
from forecourt.services.functions.errors import InvalidParameterValueException, RequestEntityTooLargeException
from forecourt.services.functions.validation import MAX_ZIP_BYTES


class CodeSource:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def read(self, context: CallContext, code: Mapping[str, Any], operation: str) -> bytes:
        """The zip, checked: from the request, or from S3 with the caller's permissions."""
        zip_file, bucket, key = code.get("ZipFile"), code.get("S3Bucket"), code.get("S3Key")
        if zip_file is not None and (bucket or key):
            raise InvalidParameterValueException(
                "Please do not provide other FunctionCode parameters when providing a ZipFile."
            )
        if zip_file is None:
            if not bucket or not key:
                raise InvalidParameterValueException("Please provide a source for function code.")
            zip_file = await self._from_s3(context, bucket, key, code.get("S3ObjectVersion"))
        elif len(zip_file) > MAX_ZIP_BYTES:
            raise RequestEntityTooLargeException(
                f"Request must be smaller than 69905067 bytes for the {operation} operation"
            )
        await asyncio.to_thread(check_zip, zip_file)
        return bytes(zip_file)

    async def _from_s3(self, context: CallContext, bucket: str, key: str, version: str | None) -> bytes:
        params = {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}
        try:
            answer = await self._caller.call(context, "s3", "GetObject", params)
        except ServiceError as error:
            raise InvalidParameterValueException(
                f"Error occurred while GetObject. S3 Error Code: {error.code}. S3 Error Message: {error.message}"
            ) from None
        body = answer["Body"]
        return bytes(body if isinstance(body, bytes | bytearray) else await asyncio.to_thread(body.read))
