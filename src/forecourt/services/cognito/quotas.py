"""Request-rate quotas by category, per account and region: requests per second. Off unless the setting turns them on.

https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html#category_operations
A category is a bucket that holds one second's worth and fills evenly. Answers to challenges have three times what
sign-ins have, beside them; single operations on what one pool has are held to five a second for that pool.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

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
    "LimitManagement": 1,
}
# What a customer may have raised; the other rates are AWS's own.
ADJUSTABLE = frozenset(
    ["UserAuthentication", "UserCreation", "UserFederation", "UserRead", "UserToken", "UserResourceRead"]
)
_ANSWERS = {"RespondToAuthChallenge", "AdminRespondToAuthChallenge"}
_ANSWERS_TIMES = 3
_PER_POOL = 5
_PER_POOL_CATEGORIES = {
    "UserPoolResourceRead", "UserPoolResourceUpdate", "UserPoolClientRead", "UserPoolClientUpdate"
}  # fmt: skip
_MOST_BUCKETS = 10_000
_OPERATIONS = {
    "UserAuthentication": "AdminInitiateAuth AdminRespondToAuthChallenge GetTokensFromRefreshToken InitiateAuth"
    " RespondToAuthChallenge",
    "UserCreation": "AdminConfirmSignUp AdminCreateUser ConfirmSignUp SignUp",
    "UserAccountRecovery": "AdminResetUserPassword AdminSetUserPassword ChangePassword ConfirmForgotPassword"
    " ForgotPassword",
    "UserRead": "AdminGetUser GetUser",
    "UserUpdate": "AdminAddUserToGroup AdminDeleteUserAttributes AdminUpdateUserAttributes AdminDeleteUser"
    " AdminDisableUser AdminEnableUser AdminRemoveUserFromGroup DeleteUser DeleteUserAttributes"
    " UpdateUserAttributes VerifyUserAttribute AdminUserGlobalSignOut GlobalSignOut",
    "UserToken": "RevokeToken AdminRevokeUserSession RevokeUserSession",
    "UserResourceRead": "AdminGetDevice AdminListGroupsForUser AdminListDevices GetDevice ListDevices"
    " GetUserAttributeVerificationCode ResendConfirmationCode AdminListUserAuthEvents ListWebAuthnCredentials"
    " AdminListUserSessions ListUserSessions AdminGetUserAuthFactors GetUserAuthFactors",
    "UserResourceUpdate": "AdminForgetDevice AdminUpdateAuthEventFeedback AdminSetUserMFAPreference"
    " AdminSetUserSettings AdminUpdateDeviceStatus AssociateSoftwareToken ConfirmDevice ForgetDevice"
    " SetUserMFAPreference SetUserSettings UpdateAuthEventFeedback UpdateDeviceStatus VerifySoftwareToken"
    " StartWebAuthnRegistration CompleteWebAuthnRegistration DeleteWebAuthnCredential AdminDeleteSoftwareToken",
    "UserList": "ListUsers ListUsersInGroup",
    "UserPoolRead": "DescribeUserPool ListUserPools",
    "UserPoolUpdate": "CreateUserPool DeleteUserPool UpdateUserPool",
    "UserPoolResourceRead": "DescribeResourceServer DescribeRiskConfiguration DescribeUserImportJob"
    " DescribeUserPoolDomain GetCSVHeader GetGroup GetUICustomization GetUserPoolMfaConfig ListGroups"
    " ListResourceServers ListTagsForResource ListUserImportJobs GetLogDeliveryConfiguration GetSigningCertificate"
    " GetUserPoolSessionConfiguration DescribeManagedLoginBranding DescribeManagedLoginBrandingByClient DescribeTerms"
    " DescribeTermsByClient ListTerms",
    "UserPoolResourceUpdate": "AddCustomAttributes CreateGroup CreateResourceServer CreateUserImportJob"
    " CreateUserPoolDomain DeleteGroup DeleteResourceServer DeleteUserPoolDomain SetRiskConfiguration"
    " SetUICustomization SetUserPoolMfaConfig StartUserImportJob StopUserImportJob UpdateGroup UpdateResourceServer"
    " UpdateUserPoolDomain TagResource UntagResource SetLogDeliveryConfiguration SetUserPoolSessionConfiguration"
    " CreateManagedLoginBranding DeleteManagedLoginBranding UpdateManagedLoginBranding CreateTerms DeleteTerms"
    " UpdateTerms",
    "UserPoolClientRead": "DescribeUserPoolClient ListUserPoolClients ListUserPoolClientSecrets"
    " GetUserPoolClientSessionConfiguration",
    "UserPoolClientUpdate": "CreateUserPoolClient DeleteUserPoolClient UpdateUserPoolClient AddUserPoolClientSecret"
    " DeleteUserPoolClientSecret SetUserPoolClientSessionConfiguration",
    "ClientAuthentication": "GetClientToken",
    "LimitManagement": "GetProvisionedLimit UpdateProvisionedLimit",
}
CATEGORY_OF = {operation: category for category, names in _OPERATIONS.items() for operation in names.split()}

Home = Callable[[CallContext, Mapping[str, Any]], Awaitable[tuple[str, str]]]


class Quotas:
    def __init__(self, clock: Clock, rates: Mapping[str, int] | None = None) -> None:
        self._clock = clock
        self.rates = {**DEFAULT_RATES, **(rates or {})}
        # (account, region, category) or (pool, operation) -> requests left, and when that was so
        self._left: dict[tuple[str, ...], tuple[float, float]] = {}

    def take(self, account: str, region: str, category: str) -> None:
        self._take((account, region, category), self.rates[category])

    def _take(self, bucket: tuple[str, ...], rate: float) -> None:
        now = self._clock.now()
        left, since = self._left.pop(bucket, (rate, now))
        left = min(rate, left + (now - since) * rate)
        if len(self._left) >= _MOST_BUCKETS:
            del self._left[next(iter(self._left))]
        self._left[bucket] = (left - 1 if left >= 1 else left, now)
        if left < 1:
            raise TooManyRequestsException("Rate exceeded")

    def guard(self, operation: str, handler: Handler, home: Home) -> Handler:
        """`home` tells whose quota a call takes from."""
        category = CATEGORY_OF.get(operation)
        if category is None:
            return handler

        async def guarded(context: CallContext, request: Mapping[str, Any]) -> object:
            account, region = await home(context, request)
            if operation in _ANSWERS:
                self._take((account, region, operation), self.rates[category] * _ANSWERS_TIMES)
            else:
                self.take(account, region, category)
            if category in _PER_POOL_CATEGORIES and "UserPoolId" in request:
                self._take((request["UserPoolId"], operation), _PER_POOL)
            return await handler(context, request)

        return guarded
