"""`contentHandling`: between a body's bytes and the text that a template or a JSON integration works with.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings-workflow.html
"""

from __future__ import annotations

import base64
import binascii

from forecourt.services.apigateway.plan.errors import GatewayError, configuration_error


def request_content(body: bytes, handling: str | None, is_binary: bool) -> bytes:
    """What a template sees of a request's body, and what is sent where there is none."""
    if handling == "CONVERT_TO_TEXT" and is_binary:
        return base64.b64encode(body)
    if handling == "CONVERT_TO_BINARY" and not is_binary:
        try:
            return base64.b64decode(body, validate=True)
        except binascii.Error as error:
            raise GatewayError("BAD_REQUEST_BODY", detail="Unable to base64 decode the body") from error
    return body


def response_content(body: bytes, handling: str | None, is_binary: bool) -> bytes:
    if handling == "CONVERT_TO_TEXT" and is_binary:
        return base64.b64encode(body)
    if handling == "CONVERT_TO_BINARY" and not is_binary:
        try:
            return base64.b64decode(body, validate=True)
        except binascii.Error as error:
            raise configuration_error("Unable to base64 decode the body") from error
    return body
