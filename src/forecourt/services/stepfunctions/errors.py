"""Step Functions' modeled errors. Their HTTP status is 400 throughout; wordings are AWS's."""

from __future__ import annotations

from forecourt.base.errors import ServiceError, ValidationException

__all__ = ["ValidationException"]


class ActivityAlreadyExists(ServiceError):
    pass


class ActivityDoesNotExist(ServiceError):
    pass


class ActivityWorkerLimitExceeded(ServiceError):
    pass


class ConflictException(ServiceError):
    pass


class ExecutionAlreadyExists(ServiceError):
    pass


class ExecutionDoesNotExist(ServiceError):
    pass


class ExecutionLimitExceeded(ServiceError):
    pass


class ExecutionNotRedrivable(ServiceError):
    pass


class InvalidArn(ServiceError):
    pass


class InvalidDefinition(ServiceError):
    pass


class InvalidEncryptionConfiguration(ServiceError):
    pass


class InvalidExecutionInput(ServiceError):
    pass


class InvalidLoggingConfiguration(ServiceError):
    pass


class InvalidName(ServiceError):
    pass


class InvalidOutput(ServiceError):
    pass


class InvalidToken(ServiceError):
    pass


class MissingRequiredParameter(ServiceError):
    pass


class ResourceNotFound(ServiceError):
    pass


class ServiceQuotaExceededException(ServiceError):
    pass


class StateMachineAlreadyExists(ServiceError):
    pass


class StateMachineDeleting(ServiceError):
    pass


class StateMachineDoesNotExist(ServiceError):
    pass


class StateMachineTypeNotSupported(ServiceError):
    pass


class TaskDoesNotExist(ServiceError):
    pass


class TaskTimedOut(ServiceError):
    pass


class TooManyTags(ServiceError):
    pass
