"""Errors of CloudWatch Logs as botocore's model names them."""

from __future__ import annotations

from forecourt.base.errors import ServiceError


class InvalidParameterException(ServiceError):
    status = 400


class ResourceNotFoundException(ServiceError):
    status = 400


class ResourceAlreadyExistsException(ServiceError):
    status = 400


class TooManyTagsException(ServiceError):
    status = 400


class ValidationException(ServiceError):
    status = 400


class LimitExceededException(ServiceError):
    status = 400


class MalformedQueryException(ServiceError):
    status = 400
