"""Errors of CloudFormation as botocore's model names them."""

from __future__ import annotations

from forecourt.base.errors import ServiceError


class ValidationError(ServiceError):
    """What is wrong with a request or its template. The query protocol's own; the model does not list it."""

    status = 400


class TransformFailed(ValidationError):
    """A macro could not make anything of the template."""

    code = "ValidationError"


class AlreadyExistsException(ServiceError):
    status = 400


class InsufficientCapabilitiesException(ServiceError):
    status = 400


class ChangeSetNotFoundException(ServiceError):
    code = "ChangeSetNotFound"
    status = 404


class InvalidChangeSetStatusException(ServiceError):
    code = "InvalidChangeSetStatus"
    status = 400


class TokenAlreadyExistsException(ServiceError):
    status = 400


class LimitExceededException(ServiceError):
    status = 400


class ResourceFailed(Exception):
    """A resource could not be made, changed or deleted. The message is its event's reason."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotTried(ResourceFailed):
    """An update that was refused before anything of the resource was changed."""
