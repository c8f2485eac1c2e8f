"""The errors of identity pools, as the model names them."""

from __future__ import annotations

from forecourt.base.errors import ServiceError


class NotAuthorizedException(ServiceError):
    pass


class ResourceNotFoundException(ServiceError):
    pass


class ResourceConflictException(ServiceError):
    pass


class InvalidParameterException(ServiceError):
    pass


class InvalidIdentityPoolConfigurationException(ServiceError):
    pass


class DeveloperUserAlreadyRegisteredException(ServiceError):
    pass


class LimitExceededException(ServiceError):
    pass


class ExternalServiceException(ServiceError):
    pass


def pool_not_found(id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"IdentityPool '{id}' not found.")


def identity_not_found(id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Identity '{id}' not found.")


def forbidden(id: str) -> NotAuthorizedException:
    return NotAuthorizedException(f"Access to Identity '{id}' is forbidden.")
