"""The ways in which the gateway itself answers, and how AWS answers by default.

https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html. `x-amzn-ErrorType`
and the messages are what the service sends; the page gives status codes only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn


class GatewayResponseType(NamedTuple):
    status: int
    error_type: str
    message: str | None


_INTERNAL = "Internal server error"

TYPES: Mapping[str, GatewayResponseType] = {
    "ACCESS_DENIED": GatewayResponseType(
        403, "AccessDeniedException", "User is not authorized to access this resource"
    ),
    "API_CONFIGURATION_ERROR": GatewayResponseType(500, "InternalServerErrorException", _INTERNAL),
    "AUTHORIZER_CONFIGURATION_ERROR": GatewayResponseType(500, "AuthorizerConfigurationException", None),
    "AUTHORIZER_FAILURE": GatewayResponseType(500, "AuthorizerFailureException", None),
    "BAD_REQUEST_BODY": GatewayResponseType(400, "BadRequestException", "Invalid request body"),
    "BAD_REQUEST_PARAMETERS": GatewayResponseType(400, "BadRequestException", "Bad Request"),
    "EXPIRED_TOKEN": GatewayResponseType(
        403, "ExpiredTokenException", "The security token included in the request is expired"
    ),
    "INTEGRATION_FAILURE": GatewayResponseType(
        504, "InternalServerErrorException", "Network error communicating with endpoint"
    ),
    "INTEGRATION_TIMEOUT": GatewayResponseType(504, "InternalServerErrorException", "Endpoint request timed out"),
    "INVALID_API_KEY": GatewayResponseType(403, "ForbiddenException", "Forbidden"),
    "INVALID_SIGNATURE": GatewayResponseType(
        403,
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details.",
    ),
    "MISSING_AUTHENTICATION_TOKEN": GatewayResponseType(
        403, "MissingAuthenticationTokenException", "Missing Authentication Token"
    ),
    "QUOTA_EXCEEDED": GatewayResponseType(429, "LimitExceededException", "Limit Exceeded"),
    "REQUEST_TOO_LARGE": GatewayResponseType(413, "RequestEntityTooLargeException", "Request Too Long"),
    "RESOURCE_NOT_FOUND": GatewayResponseType(404, "NotFoundException", "Not Found"),
    "THROTTLED": GatewayResponseType(429, "TooManyRequestsException", "Too Many Requests"),
    "UNAUTHORIZED": GatewayResponseType(401, "UnauthorizedException", "Unauthorized"),
    "UNSUPPORTED_MEDIA_TYPE": GatewayResponseType(415, "BadRequestException", "Unsupported Media Type"),
    "WAF_FILTERED": GatewayResponseType(403, "ForbiddenException", "Forbidden"),
}


class GatewayError(Exception):
    """A step ends the request with a gateway response of type `type`.

    `status` is given where one type stands for several (502 and 504 are both INTEGRATION_FAILURE). `detail` is for the
    execution log, never for the client.
    """

    def __init__(
        self,
        type: str,
        message: str | None = None,
        *,
        status: int | None = None,
        error_type: str | None = None,
        detail: str = "",
        authorizer: Mapping[str, Any] | None = None,
        **variables: Any,
    ) -> None:
        default = TYPES[type]
        super().__init__(detail or message or default.message or type)
        self.type = type
        self.status = status or default.status
        self.error_type = error_type or default.error_type
        self.message = message if message is not None else default.message
        self.detail = detail
        # What the authorizer that refuses the request said of it
        self.authorizer = authorizer
        self.variables = variables


def configuration_error(detail: str) -> GatewayError:
    return GatewayError("API_CONFIGURATION_ERROR", detail=f"Execution failed due to configuration error: {detail}")


def misconfigured(detail: str) -> Callable[[object], NoReturn]:
    """A handler for what cannot be served."""

    def refuse(request: object) -> NoReturn:
        raise configuration_error(detail)

    return refuse


def authorizer_misconfigured(detail: str) -> GatewayError:
    return GatewayError(
        "AUTHORIZER_CONFIGURATION_ERROR", detail=f"Execution failed due to configuration error: {detail}"
    )


def malformed_proxy_response(detail: str) -> GatewayError:
    """What AWS says of a Lambda function that fails or does not answer in the proxy format."""
    return GatewayError(
        "API_CONFIGURATION_ERROR",
        status=502,
        detail=f"Execution failed due to configuration error: {detail}",
    )
