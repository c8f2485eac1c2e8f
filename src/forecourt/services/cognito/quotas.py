"""Request-rate quotas by category, per account and region: requests per second. Off unless the setting turns them on.

https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html#category_operations
A category is a bucket that holds one second's worth and fills evenly.
"""

from __future__ import annotations

from collections.abc import Mapping

from forecourt.base.call import CallContext, Handler
from forecourt.base.clock import Clock
from forecourt.services.cognito.errors import TooManyRequestsException

DEFAULT_RATES: dict[str, int] = {
    "UserAuthentication": 120,
    "UserCreation": 50,
    "UserFederation": 25,
    "UserAccountRecovery": 30,
    "UserRead": 120,
    "UserUpdate": 25,
    "UserToken": 120,
    "UserResourceRead": 50,
    "UserResourceUpdate": 25,
    "UserList": 30,
    "UserPoolRead": 15,
    "UserPoolUpdate": 15,
    "UserPoolResourceRead": 20,
    "UserPoolResourceUpdate": 15,
    "UserPoolClientRead": 15,
    "UserPoolClientUpdate": 15,
    "ClientAuthentication": 150,
}
_OPERATIONS = {
    "UserAuthentication": "AdminInitiateAuth AdminRespondToAuthChallenge InitiateAuth RespondToAuthChallenge",
    "UserCreation": "AdminConfirmSignUp AdminCreateUser ConfirmSignUp SignUp",
    "UserAccountRecovery": "AdminResetUserPassword AdminSetUserPassword ChangePassword ConfirmForgotPassword"
    " ForgotPassword",
    "UserRead": "AdminGetUser GetUser",
    "UserUpdate": "AdminAddUserToGroup AdminDeleteUserAttributes AdminUpdateUserAttributes AdminDeleteUser"
    " AdminDisableUser AdminEnableUser AdminRemoveUserFromGroup DeleteUser DeleteUserAttributes"
    " UpdateUserAttributes VerifyUserAttribute AdminUserGlobalSignOut GlobalSignOut",
    "UserToken": "RevokeToken GetTokensFromRefreshToken AdminRevokeUserSession RevokeUserSession",
    "UserResourceRead": "AdminGetDevice AdminListGroupsForUser AdminListDevices GetDevice ListDevices"
    " GetUserAttributeVerificationCode ResendConfirmationCode AdminListUserAuthEvents ListWebAuthnCredentials"
    " AdminListUserSessions ListUserSessions",
    "UserResourceUpdate": "AdminForgetDevice AdminUpdateAuthEventFeedback AdminSetUserMFAPreference"
    " AdminSetUserSettings AdminUpdateDeviceStatus AssociateSoftwareToken ConfirmDevice ForgetDevice"
    " SetUserMFAPreference SetUserSettings UpdateAuthEventFeedback UpdateDeviceStatus VerifySoftwareToken"
    " StartWebAuthnRegistration CompleteWebAuthnRegistration DeleteWebAuthnCredential",
    "UserList": "ListUsers ListUsersInGroup",
    "UserPoolRead": "DescribeUserPool ListUserPools",
    "UserPoolUpdate": "CreateUserPool DeleteUserPool UpdateUserPool",
    "UserPoolResourceRead": "DescribeResourceServer DescribeRiskConfiguration DescribeUserImportJob"
    " DescribeUserPoolDomain GetCSVHeader GetGroup GetUICustomization GetUserPoolMfaConfig ListGroups"
    " ListResourceServers ListTagsForResource ListUserImportJobs",
    "UserPoolResourceUpdate": "AddCustomAttributes CreateGroup CreateResourceServer CreateUserImportJob"
    " CreateUserPoolDomain DeleteGroup DeleteResourceServer DeleteUserPoolDomain SetRiskConfiguration"
    " SetUICustomization SetUserPoolMfaConfig StartUserImportJob StopUserImportJob UpdateGroup UpdateResourceServer"
    " UpdateUserPoolDomain TagResource UntagResource",
    "UserPoolClientRead": "DescribeUserPoolClient ListUserPoolClients",
    "UserPoolClientUpdate": "CreateUserPoolClient DeleteUserPoolClient UpdateUserPoolClient",
    "ClientAuthentication": "GetClientToken",
}
CATEGORY_OF = {operation: category for category, names in _OPERATIONS.items() for operation in names.split()}


class Quotas:
    def __init__(self, clock: Clock, rates: Mapping[str, int] | None = None) -> None:
        self._clock = clock
        self.rates = {**DEFAULT_RATES, **(rates or {})}
        # (account, region, category) -> requests left, and when that was so
        self._left: dict[tuple[str, str, str], tuple[float, float]] = {}

    def take(self, account: str, region: str, category: str) -> None:
        rate = self.rates[category]
        key, now = (account, region, category), self._clock.now()
        left, since = self._left.get(key, (float(rate), now))
        left = min(float(rate), left + (now - since) * rate)
        if left < 1:
            raise TooManyRequestsException("Rate exceeded")
        self._left[key] = (left - 1, now)

    def guard(self, operation: str, handler: Handler) -> Handler:
        category = CATEGORY_OF.get(operation)
        if category is None:
            return handler

        async def guarded(context: CallContext, request: object) -> object:
            self.take(context.account, context.region, category)
            return await handler(context, request)

        return guarded
