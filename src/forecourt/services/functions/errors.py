"""Errors of Lambda as botocore's model names them, with AWS's statuses. `Type` says whose fault it is."""

from __future__ import annotations

from typing import Any

from forecourt.base.errors import ServiceError


class _UserError(ServiceError):
    def __init__(self, message: str = "", /, **members: Any) -> None:
        super().__init__(message, **{"Type": "User", **members})


class InvalidParameterValueException(_UserError):
    status = 400


class ResourceNotFoundException(_UserError):
    status = 404


class ResourceConflictException(_UserError):
    status = 409


class ResourceInUseException(_UserError):
    status = 400


class PreconditionFailedException(_UserError):
    status = 412


class InvalidRequestContentException(_UserError):
    status = 400


class RequestTooLargeException(_UserError):
    status = 413


class RequestEntityTooLargeException(_UserError):
    """Not in the model; what Lambda's front answers to a body over its limit."""

    status = 413


class CodeStorageExceededException(_UserError):
    status = 400


class PolicyLengthExceededException(_UserError):
    status = 400


class RecursiveInvocationException(_UserError):
    status = 400


class ProvisionedConcurrencyConfigNotFoundException(_UserError):
    status = 404


class TooManyRequestsException(_UserError):
    status = 429


class KMSAccessDeniedException(_UserError):
    status = 502


class CodeSigningConfigNotFoundException(_UserError):
    status = 404


class CodeVerificationFailedException(_UserError):
    status = 400


class ServiceException(ServiceError):
    status = 500

    def __init__(self, message: str = "", /, **members: Any) -> None:
        super().__init__(message, **{"Type": "Service", **members})
