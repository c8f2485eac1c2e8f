"""The tables of our services, after AWS's Service Authorization Reference.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from forecourt.auth.actions.table import Params, Table
from forecourt.base.call import CallContext, Demand

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
CreateUserPool,UpdateUserPool SmsConfiguration.EumsSms.CallerArn cognito-idp.amazonaws.com
SetUserPoolMfaConfig SmsMfaConfiguration.SmsConfiguration.EumsSms.CallerArn cognito-idp.amazonaws.com
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
    pass_role="""
SetIdentityPoolRoles Roles[] cognito-identity.amazonaws.com
SetIdentityPoolRoles RoleMappings[].RulesConfiguration.Rules[].RoleARN cognito-identity.amazonaws.com
""",
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


_FUNCTION = re.compile(r"(?:arn:aws[a-zA-Z-]*:lambda:([a-z0-9-]+):)?(?:(\d{12}):)?(?:function:)?(.*)", re.DOTALL)


def function(given: str) -> str:
    """`name`, `name:qualifier`, `123456789012:function:name`, `123456789012:name` or a whole ARN, as an ARN: that of
    another account stays that account's. The forms are those of `services/functions/names`."""
    found = _FUNCTION.fullmatch(given)
    region, account, name = found.groups() if found is not None else (None, None, given)
    return f"arn:aws:lambda:{region or '<region>'}:{account or '<account>'}:function:{name}"


def _lambda_conditions(operation: str, params: Params) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    if operation in ("AddPermission", "RemovePermission") and params.get("Principal"):
        found["lambda:Principal"] = params["Principal"]
    if operation in ("CreateFunctionUrlConfig", "UpdateFunctionUrlConfig") and params.get("AuthType"):
        found["lambda:FunctionUrlAuthType"] = params["AuthType"]
    if operation.endswith("EventSourceMapping") and params.get("FunctionName"):
        found["lambda:FunctionArn"] = params["FunctionName"]
    if params.get("Layers"):
        found["lambda:Layer"] = tuple(params["Layers"])
    return found


def _layer(given: str) -> str:
    """A name or an ARN, of a version perhaps, without the version."""
    return ":".join(given.split(":")[:7]) if given.startswith("arn:") else f"layer:{given}"


class _Lambda(Table):
    """A version or an alias may be named apart from its function, and is a resource of its own: "Lambda makes
    authorization decisions by comparing the resource element in the IAM policy to both the FunctionName and Qualifier".
    """

    def demands(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        name, qualifier = params.get("FunctionName"), params.get("Qualifier")
        if name and qualifier and not str(name).endswith(f":{qualifier}"):
            params = {**params, "FunctionName": f"{name}:{qualifier}"}
        yield from super().demands(operation, params, context)
        if operation in ("CreateEventSourceMapping", "UpdateEventSourceMapping") and name:
            yield from self._another_accounts(str(name), operation, context)
        for layer in params.get("Layers") or ():
            yield Demand("lambda:GetLayerVersion", str(layer), {})

    def _another_accounts(self, name: str, operation: str, context: CallContext) -> Iterator[Demand]:
        """A mapping is named by its id, or not yet; whose function it feeds is nobody else's business."""
        arn = self._resource("{FunctionName}", {"FunctionName": name}, context)
        if arn.split(":")[4] != context.account:
            yield Demand(f"lambda:{operation}", arn, {})


_INVOKE = "@Invoke, @InvokeAsync, @InvokeWithResponseStream"

LAMBDA = _Lambda(
    "lambda",
    f"""
{_INVOKE} = InvokeFunction   {{FunctionName}}
@GetLayerVersionByArn = GetLayerVersion   {{Arn}}
@CreateEventSourceMapping, @ListEventSourceMappings   *
Resource             {{Resource}}
ResourceArn          {{ResourceArn}}
DurableExecutionArn  {{DurableExecutionArn}}
UUID                 event-source-mapping:{{UUID}}
FunctionName         {{FunctionName}}
VersionNumber        {{LayerName}}:{{VersionNumber}}
LayerName            {{LayerName}}
CodeSigningConfigArn {{CodeSigningConfigArn}}
CapacityProviderName capacity-provider:{{CapacityProviderName}}
*                    *
""",
    pass_role="CreateFunction,UpdateFunctionConfiguration Role lambda.amazonaws.com",
    normalize={"FunctionName": function, "LayerName": _layer},
    conditions=_lambda_conditions,
)


def _log_group(given: str) -> str:
    """A name or an ARN as the beginning of a group's ARN: another account's or region's stays that one's."""
    here = f"arn:aws:logs:<region>:<account>:log-group:{given}"
    return re.sub(r":\*$", "", given) if given.startswith("arn:") else here


class _Logs(Table):
    """Of a stream: its group may be given by name or by identifier."""

    _STREAMS = frozenset({"GetLogEvents", "PutLogEvents", "DeleteLogStream"})

    def demands(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        if operation in self._STREAMS and not params.get("logGroupName"):
            params = {**params, "logGroupName": params.get("logGroupIdentifier") or ""}
        return super().demands(operation, params, context)


LOGS = _Logs(
    "logs",
    """
@DescribeLogGroups     log-group::log-stream:
@GetLogEvents, @PutLogEvents, @DeleteLogStream   {logGroupName}:log-stream:{logStreamName}
resourceArn            {resourceArn}
resourceIdentifier     {resourceIdentifier}:log-stream:
logGroupName           {logGroupName}:log-stream:
logGroupIdentifier     {logGroupIdentifier}:log-stream:
logGroupNames          {logGroupNames[]}:log-stream:
logGroupIdentifiers    {logGroupIdentifiers[]}:log-stream:
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
    normalize=dict.fromkeys(
        ("logGroupIdentifier", "logGroupName", "logGroupNames", "logGroupIdentifiers", "resourceIdentifier"), _log_group
    ),
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
@GenerateServiceLastAccessedDetails, @ListPoliciesGrantingServiceAccess   {{Arn}}
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
    passes_roles=False,
    normalize={"Url": lambda url: re.sub(r"^https?://", "", url).rstrip("/")},
    conditions=_iam_conditions,
)


class _Sts(Table):
    """Tags of a session are a permission of their own; AssumeRole asks for it itself."""

    def demands(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        yield from super().demands(operation, params, context)
        if operation == "GetFederationToken" and params.get("Tags"):
            yield Demand("sts:TagSession", self._resource(_FEDERATED, params, context), {})


_FEDERATED = "arn:aws:sts::<account>:federated-user/{Name}"
STS = _Sts(
    "sts",
    f"""
@AssumeRole, @AssumeRoleWithSAML, @AssumeRoleWithWebIdentity, @GetCallerIdentity, @GetSessionToken  -
@GetFederationToken   {_FEDERATED}
*                     *
""",
    passes_roles=False,
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
    service_principal="pinpoint.amazonaws.com",
)


def _stack(given: str) -> str:
    """A name, or a whole ARN."""
    return given if given.startswith("arn:") else f"stack/{given}/*"


CLOUDFORMATION = Table(
    "cloudformation",
    """
StackName   {StackName}
*           *
""",
    pass_role="""
CreateStack,UpdateStack,DeleteStack,CreateChangeSet,ContinueUpdateRollback RoleARN cloudformation.amazonaws.com
""",
    normalize={"StackName": _stack},
)
