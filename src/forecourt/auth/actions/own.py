"""The tables of our services, after AWS's Service Authorization Reference.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from forecourt.auth.actions.table import Demand, Params, Table
from forecourt.base.call import CallContext

COGNITO_IDP = Table(
    "cognito-idp",
    """
@InitiateAuth, @RespondToAuthChallenge, @SignUp, @ConfirmSignUp, @ForgotPassword, @ConfirmForgotPassword  -
@ResendConfirmationCode, @RevokeToken, @GetTokensFromRefreshToken, @UpdateAuthEventFeedback  -
@GetClientToken, @GetDerivedToken  -
@AssociateSoftwareToken, @VerifySoftwareToken, @ForgetDevice, @GetDevice, @ConfirmDevice, @UpdateDeviceStatus  -
AccessToken   -
ResourceArn   {ResourceArn}
UserPoolId    userpool/{UserPoolId}
*             *
""",
    pass_role="""
CreateGroup,UpdateGroup RoleArn cognito-idp.amazonaws.com
CreateUserPool,UpdateUserPool,SetUserPoolMfaConfig SmsConfiguration.SnsCallerArn cognito-idp.amazonaws.com
SetUserPoolMfaConfig SmsMfaConfiguration.SmsConfiguration.SnsCallerArn cognito-idp.amazonaws.com
CreateUserImportJob CloudWatchLogsRoleArn cognito-idp.amazonaws.com
""",
)

COGNITO_IDENTITY = Table(
    "cognito-identity",
    """
@GetId, @GetCredentialsForIdentity, @GetOpenIdToken, @UnlinkIdentity  -
ResourceArn      {ResourceArn}
IdentityPoolId   identitypool/{IdentityPoolId}
*                *
""",
    pass_role="SetIdentityPoolRoles Roles[] cognito-identity.amazonaws.com",
)


STATES = Table(
    "states",
    """
@CreateStateMachine        stateMachine:{name}
@CreateActivity            activity:{name}
@CreateStateMachineAlias   {routingConfiguration[].stateMachineVersionArn}
@SendTaskSuccess, @SendTaskFailure, @SendTaskHeartbeat, @TestState, @ValidateStateMachineDefinition  *
resourceArn                {resourceArn}
executionArn               {executionArn}
mapRunArn                  {mapRunArn}
activityArn                {activityArn}
stateMachineAliasArn       {stateMachineAliasArn}
stateMachineVersionArn     {stateMachineVersionArn}
stateMachineArn            {stateMachineArn}
*                          *
""",
    pass_role="CreateStateMachine,UpdateStateMachine,TestState roleArn states.amazonaws.com",
)


def function_name(given: str) -> str:
    """`name`, `name:qualifier`, `123456789012:function:name` or a whole ARN, to `name`."""
    if given.startswith("arn:"):
        given = given.split(":", 6)[6]
    elif ":function:" in given:
        given = given.partition(":function:")[2]
    return given.partition(":")[0]


def _lambda_conditions(operation: str, params: Params) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    if operation in ("AddPermission", "RemovePermission") and params.get("Principal"):
        found["lambda:Principal"] = params["Principal"]
    if operation in ("CreateFunctionUrlConfig", "UpdateFunctionUrlConfig") and params.get("AuthType"):
        found["lambda:FunctionUrlAuthType"] = params["AuthType"]
    if params.get("Layers"):
        found["lambda:Layer"] = tuple(params["Layers"])
    return found


def _layer_name(given: str) -> str:
    return given.split(":")[6] if given.startswith("arn:") else given


_INVOKE = "@Invoke, @InvokeAsync, @InvokeWithResponseStream"

LAMBDA = Table(
    "lambda",
    f"""
{_INVOKE} = InvokeFunction   function:{{FunctionName}}
@GetLayerVersionByArn = GetLayerVersion   {{Arn}}
@CreateEventSourceMapping, @ListEventSourceMappings   *
@GetFunctionConfiguration   function:{{FunctionName}}
Resource             {{Resource}}
ResourceArn          {{ResourceArn}}
DurableExecutionArn  {{DurableExecutionArn}}
UUID                 event-source-mapping:{{UUID}}
FunctionName         function:{{FunctionName}}
VersionNumber        layer:{{LayerName}}:{{VersionNumber}}
LayerName            layer:{{LayerName}}
CodeSigningConfigArn {{CodeSigningConfigArn}}
CapacityProviderName capacity-provider:{{CapacityProviderName}}
*                    *
""",
    pass_role="CreateFunction,UpdateFunctionConfiguration Role lambda.amazonaws.com",
    normalize={"FunctionName": function_name, "LayerName": _layer_name},
    conditions=_lambda_conditions,
)


def _log_group(given: str) -> str:
    """A name or an ARN, as it stands in an ARN."""
    return re.sub(r"(:\*)?$", "", given.partition(":log-group:")[2]) if given.startswith("arn:") else given


LOGS = Table(
    "logs",
    """
@DescribeLogGroups     log-group::log-stream:
@GetLogEvents, @PutLogEvents, @DeleteLogStream   log-group:{logGroupName}:log-stream:{logStreamName}
resourceArn            {resourceArn}
logGroupName           log-group:{logGroupName}:log-stream:
logGroupIdentifier     log-group:{logGroupIdentifier}:log-stream:
anomalyDetectorArn     {anomalyDetectorArn}
destinationName        destination:{destinationName}
deliverySourceName     delivery-source:{deliverySourceName}
deliveryDestinationName  delivery-destination:{deliveryDestinationName}
*                      *
""",
    pass_role="""
PutSubscriptionFilter roleArn logs.amazonaws.com
PutDestination roleArn logs.amazonaws.com
""",
    normalize={"logGroupIdentifier": _log_group, "logGroupName": _log_group},
)


def _cloudwatch_conditions(operation: str, params: Params) -> Mapping[str, Any]:
    return {"cloudwatch:namespace": params["Namespace"]} if params.get("Namespace") else {}


CLOUDWATCH = Table(
    "cloudwatch",
    """
@DescribeAlarmsForMetric   *
ResourceARN      {ResourceARN}
AlarmName        alarm:{AlarmName}
AlarmNames       alarm:{AlarmNames[]}
DashboardName    arn:aws:cloudwatch::<account>:dashboard/{DashboardName}
DashboardNames   arn:aws:cloudwatch::<account>:dashboard/{DashboardNames[]}
RuleName         insight-rule/{RuleName}
*                *
""",
    conditions=_cloudwatch_conditions,
)


def _iam_conditions(operation: str, params: Params) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    if params.get("PolicyArn") and operation.startswith(("Attach", "Detach")):
        found["iam:PolicyARN"] = params["PolicyArn"]
    if params.get("PermissionsBoundary"):
        found["iam:PermissionsBoundary"] = params["PermissionsBoundary"]
    if params.get("AWSServiceName"):
        found["iam:AWSServiceName"] = params["AWSServiceName"]
    return found


class _Iam(Table):
    """Operations on the caller's own user may leave its name out."""

    _ON_ONESELF = frozenset({
        "ChangePassword", "GetUser", "CreateAccessKey", "ListAccessKeys", "DeleteAccessKey", "UpdateAccessKey",
        "UploadSigningCertificate", "ListSigningCertificates", "UpdateSigningCertificate", "DeleteSigningCertificate",
        "ListMFADevices", "ListSSHPublicKeys", "CreateLoginProfile", "GetLoginProfile", "DeleteLoginProfile",
        "ListServiceSpecificCredentials", "DeleteServiceSpecificCredential", "ResetServiceSpecificCredential",
        "UpdateServiceSpecificCredential",
    })  # fmt: skip

    def demands(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        if operation in self._ON_ONESELF and not params.get("UserName"):
            params = {**params, "UserName": context.principal.name or "root"}
        return super().demands(operation, params, context)


_IAM = "arn:aws:iam::<account>:"

IAM = _Iam(
    "iam",
    f"""
@SimulateCustomPolicy, @GetContextKeysForCustomPolicy, @GetAccessKeyLastUsed   *
@AddUserToGroup, @RemoveUserFromGroup   {_IAM}group/{{GroupName}}
@CreatePolicy                 {_IAM}policy/{{PolicyName}}
@CreateServiceLinkedRole      {_IAM}role/aws-service-role/{{AWSServiceName}}/*
@CreateOpenIDConnectProvider  {_IAM}oidc-provider/{{Url}}
@CreateSAMLProvider           {_IAM}saml-provider/{{Name}}
@CreateVirtualMFADevice       {_IAM}mfa/{{VirtualMFADeviceName}}
@SimulatePrincipalPolicy, @GetContextKeysForPrincipalPolicy   {{PolicySourceArn}}
InstanceProfileName           {_IAM}instance-profile/{{InstanceProfileName}}
RoleName                      {_IAM}role/{{RoleName}}
UserName                      {_IAM}user/{{UserName}}
GroupName                     {_IAM}group/{{GroupName}}
PolicyArn                     {{PolicyArn}}
OpenIDConnectProviderArn      {{OpenIDConnectProviderArn}}
SAMLProviderArn               {{SAMLProviderArn}}
ServerCertificateName         {_IAM}server-certificate/{{ServerCertificateName}}
SerialNumber                  {{SerialNumber}}
*                             *
""",
    pass_role="AddRoleToInstanceProfile RoleName ec2.amazonaws.com",
    normalize={"Url": lambda url: re.sub(r"^https?://", "", url).rstrip("/")},
    conditions=_iam_conditions,
)

STS = Table(
    "sts",
    """
@AssumeRole, @AssumeRoleWithSAML, @AssumeRoleWithWebIdentity, @GetCallerIdentity, @GetSessionToken  -
@GetFederationToken   arn:aws:sts::<account>:federated-user/{Name}
*                     *
""",
)

# The API's id is in the host, which a call that is already decoded no longer shows.
MANAGEMENT_API = Table(
    "execute-api",
    """
@PostToConnection = ManageConnections   */*/POST/@connections/{ConnectionId}
@GetConnection = ManageConnections      */*/GET/@connections/{ConnectionId}
@DeleteConnection = ManageConnections   */*/DELETE/@connections/{ConnectionId}
""",
)

PINPOINT = Table(
    "mobiletargeting",
    """
@GetApps, @CreateApp   apps/*
ResourceArn     {ResourceArn}
CampaignId      apps/{ApplicationId}/campaigns/{CampaignId}
SegmentId       apps/{ApplicationId}/segments/{SegmentId}
JourneyId       apps/{ApplicationId}/journeys/{JourneyId}
ApplicationId   apps/{ApplicationId}
TemplateName    templates/{TemplateName}
RecommenderId   recommenders/{RecommenderId}
*               *
""",
)
