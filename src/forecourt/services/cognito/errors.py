"""Errors of the user-pool API, named as their shapes in AWS's model, and the wordings that many places share."""

from __future__ import annotations

from forecourt.base.errors import ServiceError


class AccessDeniedException(ServiceError): ...


class AliasExistsException(ServiceError): ...


class CodeDeliveryFailureException(ServiceError): ...


class CodeMismatchException(ServiceError): ...


class ConcurrentModificationException(ServiceError): ...


class DeviceKeyExistsException(ServiceError): ...


class DuplicateProviderException(ServiceError): ...


class EnableSoftwareTokenMFAException(ServiceError): ...


class ExpiredCodeException(ServiceError): ...


class FeatureUnavailableInTierException(ServiceError): ...


class ForbiddenException(ServiceError): ...


class GroupExistsException(ServiceError): ...


class InternalErrorException(ServiceError):
    status = 500


class InternalServerException(ServiceError):
    status = 500


class InvalidEmailRoleAccessPolicyException(ServiceError): ...


class InvalidLambdaResponseException(ServiceError): ...


class InvalidOAuthFlowException(ServiceError): ...


class InvalidParameterException(ServiceError): ...


class InvalidPasswordException(ServiceError): ...


class InvalidSmsRoleAccessPolicyException(ServiceError): ...


class InvalidSmsRoleTrustRelationshipException(ServiceError): ...


class InvalidUserPoolConfigurationException(ServiceError): ...


class LimitExceededException(ServiceError): ...


class MFAMethodNotFoundException(ServiceError): ...


class ManagedLoginBrandingExistsException(ServiceError): ...


class NotAuthorizedException(ServiceError): ...


class OperationNotEnabledException(ServiceError): ...


class PasswordHistoryPolicyViolationException(ServiceError): ...


class PasswordResetRequiredException(ServiceError): ...


class PreconditionNotMetException(ServiceError): ...


class RefreshTokenReuseException(ServiceError): ...


class ResourceNotFoundException(ServiceError): ...


class ScopeDoesNotExistException(ServiceError): ...


class ServiceQuotaExceededException(ServiceError): ...


class SoftwareTokenMFANotFoundException(ServiceError): ...


class TermsExistsException(ServiceError): ...


class TierChangeNotAllowedException(ServiceError): ...


class TooManyFailedAttemptsException(ServiceError): ...


class TooManyRequestsException(ServiceError): ...


class UnauthorizedException(ServiceError): ...


class UnexpectedLambdaException(ServiceError): ...


class UnsupportedIdentityProviderException(ServiceError): ...


class UnsupportedOperationException(ServiceError): ...


class UnsupportedTokenTypeException(ServiceError): ...


class UnsupportedUserStateException(ServiceError): ...


class UserImportInProgressException(ServiceError): ...


class UserLambdaValidationException(ServiceError): ...


class UserNotConfirmedException(ServiceError): ...


class UserNotFoundException(ServiceError): ...


class UserPoolAddOnNotEnabledException(ServiceError): ...


class UserPoolTaggingException(ServiceError): ...


class UsernameExistsException(ServiceError): ...


class WebAuthnChallengeNotFoundException(ServiceError): ...


class WebAuthnClientMismatchException(ServiceError): ...


class WebAuthnConfigurationMissingException(ServiceError): ...


class WebAuthnCredentialNotSupportedException(ServiceError): ...


class WebAuthnNotEnabledException(ServiceError): ...


class WebAuthnOriginNotAllowedException(ServiceError): ...


class WebAuthnRelyingPartyMismatchException(ServiceError): ...


def user_not_found() -> UserNotFoundException:
    return UserNotFoundException("User does not exist.")


def incorrect_credentials() -> NotAuthorizedException:
    return NotAuthorizedException("Incorrect username or password.")


def invalid_session() -> NotAuthorizedException:
    return NotAuthorizedException("Invalid session for the user.")


def used_session() -> NotAuthorizedException:
    return NotAuthorizedException("Invalid session for the user, session can only be used once.")


def expired_session() -> NotAuthorizedException:
    return NotAuthorizedException("Invalid session for the user, session is expired.")


def not_supported(parameter: str) -> InvalidParameterException:
    """Rather refused than taken and without effect."""
    return InvalidParameterException(f"Forecourt does not support {parameter}.")


def used_software_token() -> ExpiredCodeException:
    return ExpiredCodeException("Your software token has already been used once.")


def invalid_access_token() -> NotAuthorizedException:
    return NotAuthorizedException("Invalid Access Token")


def revoked_access_token() -> NotAuthorizedException:
    return NotAuthorizedException("Access Token has been revoked")


def invalid_refresh_token() -> NotAuthorizedException:
    return NotAuthorizedException("Invalid Refresh Token")


def pool_not_found(pool_id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"User pool {pool_id} does not exist.")


def client_not_found(client_id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"User pool client {client_id} does not exist.")
