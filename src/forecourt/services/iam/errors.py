"""The errors of IAM and STS, as the models name them. The query protocol's codes (`NoSuchEntity`) are in the models."""

from __future__ import annotations

from forecourt.base.errors import ServiceError


class NoSuchEntityException(ServiceError):
    status = 404


class EntityAlreadyExistsException(ServiceError):
    status = 409


class DeleteConflictException(ServiceError):
    status = 409


class LimitExceededException(ServiceError):
    status = 409


class InvalidInputException(ServiceError):
    pass


class MalformedPolicyDocumentException(ServiceError):
    pass


class MalformedCertificateException(ServiceError):
    pass


class InvalidPublicKeyException(ServiceError):
    pass


class DuplicateSSHPublicKeyException(ServiceError):
    pass


class UnrecognizedPublicKeyEncodingException(ServiceError):
    pass


class ServiceNotSupportedException(ServiceError):
    status = 404


class DuplicateCertificateException(ServiceError):
    status = 409


class InvalidCertificateException(ServiceError):
    pass


class KeyPairMismatchException(ServiceError):
    pass


class PolicyNotAttachableException(ServiceError):
    pass


class UnmodifiableEntityException(ServiceError):
    pass


class PasswordPolicyViolationException(ServiceError):
    pass


class InvalidUserTypeException(ServiceError):
    pass


class InvalidAuthenticationCodeException(ServiceError):
    status = 403


class CredentialReportNotPresentException(ServiceError):
    status = 410


class ValidationError(ServiceError):
    """What the query protocol's services call a request that breaks a rule."""


class ExpiredTokenException(ServiceError):
    pass


class InvalidIdentityTokenException(ServiceError):
    pass


class IDPRejectedClaimException(ServiceError):
    status = 403


class IDPCommunicationErrorException(ServiceError):
    pass


class PackedPolicyTooLargeException(ServiceError):
    pass


class InvalidAuthorizationMessageException(ServiceError):
    pass
