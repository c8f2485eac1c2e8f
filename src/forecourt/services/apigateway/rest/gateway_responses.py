"""Gateway responses: the types, what each says by default, and what a customised `DEFAULT_4XX` does to the others.

https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.services.apigateway.rest.model import GatewayResponse

DEFAULT_TEMPLATES = {"application/json": '{"message":$context.error.messageString}'}

# None: the status of the error at hand
STATUS_CODES: dict[str, str | None] = {
    "ACCESS_DENIED": "403",
    "API_CONFIGURATION_ERROR": "500",
    "AUTHORIZER_CONFIGURATION_ERROR": "500",
    "AUTHORIZER_FAILURE": "500",
    "BAD_REQUEST_BODY": "400",
    "BAD_REQUEST_PARAMETERS": "400",
    "DEFAULT_4XX": None,
    "DEFAULT_5XX": None,
    "EXPIRED_TOKEN": "403",
    "INTEGRATION_FAILURE": "504",
    "INTEGRATION_TIMEOUT": "504",
    "INVALID_API_KEY": "403",
    "INVALID_SIGNATURE": "403",
    "MISSING_AUTHENTICATION_TOKEN": "403",
    "QUOTA_EXCEEDED": "429",
    "REQUEST_TOO_LARGE": "413",
    "RESOURCE_NOT_FOUND": "404",
    "THROTTLED": "429",
    "UNAUTHORIZED": "401",
    "UNSUPPORTED_MEDIA_TYPE": "415",
    "WAF_FILTERED": "403",
}


def fallback_of(response_type: str) -> str | None:
    """`DEFAULT_4XX` or `DEFAULT_5XX`, which speaks for a type that is not customised itself."""
    status = STATUS_CODES[response_type]
    return f"DEFAULT_{status[0]}XX" if status else None


def effective(
    account: str, region: str, rest_api_id: str, response_type: str, customised: Mapping[str, GatewayResponse]
) -> GatewayResponse:
    """What an API answers with for `response_type`; `customised` are its own, by type."""
    own = customised.get(response_type)
    if own is not None:
        return own
    fallback = customised.get(fallback_of(response_type) or "")
    return GatewayResponse(
        account=account,
        region=region,
        rest_api_id=rest_api_id,
        response_type=response_type,
        status_code=(fallback.status_code if fallback else None) or STATUS_CODES[response_type],
        response_parameters=dict(fallback.response_parameters or {}) if fallback else {},
        response_templates=dict(fallback.response_templates or {}) if fallback else dict(DEFAULT_TEMPLATES),
        default_response=True,
    )
