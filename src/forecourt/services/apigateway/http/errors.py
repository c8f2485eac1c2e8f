"""`apigatewayv2`'s errors have `apigateway`'s codes and statuses."""

from forecourt.services.apigateway.rest.errors import (
    BadRequestException,
    ConflictException,
    NotFoundException,
    TooManyRequestsException,
)

__all__ = ["BadRequestException", "ConflictException", "NotFoundException", "TooManyRequestsException"]
