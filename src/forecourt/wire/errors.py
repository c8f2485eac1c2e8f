"""What can be wrong with a request before any service sees it. Each has the code and the status that AWS gives."""

from __future__ import annotations

from forecourt.base.errors import ServiceError, UnknownOperation, ValidationException


class UnknownService(ServiceError):
    """Nothing in the request names a service: no signing scope, target, action, or host that we know."""

    code = "UnknownServiceException"
    status = 404


class InvalidAction(ServiceError):
    """The query protocol's word for an unknown operation."""

    status = 400


class MissingAction(ServiceError):
    status = 400


class SerializationException(ServiceError):
    """The message is not in the protocol's form, or a value is not of its modeled type."""

    status = 400


class UnsupportedMediaType(ServiceError):
    code = "UnsupportedMediaTypeException"
    status = 415


class RequestTooLarge(ServiceError):
    code = "RequestEntityTooLargeException"
    status = 413


class InvalidRequestContent(ServiceError):
    """Lambda's word for a body that is not JSON."""

    code = "InvalidRequestContentException"
    status = 400


class InvalidInput(ServiceError):
    """A constraint of the model is broken. The code is the service's own (`quirks.VALIDATION_CODE`)."""

    status = 400

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code  # type: ignore[misc]


__all__ = [
    "InvalidAction",
    "InvalidInput",
    "InvalidRequestContent",
    "MissingAction",
    "RequestTooLarge",
    "SerializationException",
    "UnknownOperation",
    "UnknownService",
    "UnsupportedMediaType",
    "ValidationException",
]
