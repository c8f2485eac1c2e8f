"""`apigateway`'s errors, and the wordings that more than one place needs."""

from __future__ import annotations

from forecourt.base.errors import ServiceError


class BadRequestException(ServiceError):
    status = 400


class UnauthorizedException(ServiceError):
    status = 401


class NotFoundException(ServiceError):
    status = 404


class ConflictException(ServiceError):
    status = 409


class LimitExceededException(ServiceError):
    status = 429


class TooManyRequestsException(ServiceError):
    status = 429


def no_api(account: str, rest_api_id: str) -> NotFoundException:
    return NotFoundException(f"Invalid API identifier specified {account}:{rest_api_id}")


def no_resource() -> NotFoundException:
    return NotFoundException("Invalid Resource identifier specified")


def no_method() -> NotFoundException:
    return NotFoundException("Invalid Method identifier specified")


def no_integration() -> NotFoundException:
    return NotFoundException("Invalid Integration identifier specified")


def no_response() -> NotFoundException:
    return NotFoundException("Invalid Response status code specified")


def no_stage() -> NotFoundException:
    return NotFoundException("Invalid stage identifier specified")


def no_authorizer_for_method() -> BadRequestException:
    return BadRequestException(
        "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a "
        "valid authorizer."
    )


def invalid_mapping(errors: list[str]) -> BadRequestException:
    found = ", ".join(errors)
    return BadRequestException(
        f"Invalid mapping expression specified: Validation Result: warnings : [], errors : [{found}]"
    )
