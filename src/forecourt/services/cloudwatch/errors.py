"""Errors of CloudWatch as botocore's model names them."""

from __future__ import annotations

from forecourt.base.errors import ServiceError


class InvalidParameterValueException(ServiceError):
    status = 400


class InvalidParameterCombinationException(ServiceError):
    status = 400


class MissingRequiredParameterException(ServiceError):
    status = 400


class InvalidNextToken(ServiceError):
    status = 400


class ValidationError(ServiceError):
    status = 400


class ResourceNotFound(ServiceError):
    status = 404


class ResourceNotFoundException(ServiceError):
    status = 404


class InvalidFormatFault(ServiceError):
    status = 400


class DashboardNotFoundError(ServiceError):
    status = 404


class DashboardInvalidInputError(ServiceError):
    status = 400
