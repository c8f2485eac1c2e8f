"""What the models can't say, service by service, with the evidence.

Everything else in this package knows no service's name.
"""

from __future__ import annotations

import re

# The code that a service gives to a broken constraint. Elsewhere: `ValidationException`; `ValidationError` in query.
VALIDATION_CODE: dict[str, str] = {
    # "An error occurred (InvalidParameterException) when calling the DescribeUserPool operation: 1 validation error
    # detected: Value 'x' at 'userPoolId' failed to satisfy constraint". The model has no ValidationException.
    "cognito-idp": "InvalidParameterException",
    # The same of CreateLogGroup, 'logGroupName'.
    "logs": "InvalidParameterException",
    # Neither model has another 400 than BadRequestException.
    "apigatewayv2": "BadRequestException",
    "pinpoint": "BadRequestException",
    "apigatewaymanagementapi": "BadRequestException",
    # Query-compatible: it still says what it said when it spoke query.
    "cloudwatch": "ValidationError",
    # Neither has a ValidationError (their pages of common errors).
    "s3": "InvalidArgument",
    "s3control": "InvalidRequest",
    "ec2": "InvalidParameterValue",
    "sqs": "InvalidParameterValue",
}

# The code and words for a parameter that is not there. Elsewhere one more broken constraint: "must not be null".
MISSING_PARAMETER: dict[str, str] = {
    "ec2": "The request must contain the parameter {}",
    "sqs": "The request must contain the parameter {}.",
}

# The codes that a service has for what it denies. Elsewhere AccessDeniedException, in XML AccessDenied.
DENIED: dict[str, str] = {"ec2": "UnauthorizedOperation", "sns": "AuthorizationError"}

# API Gateway's messages name the operation's input before the member: "Value 'X' at 'putIntegrationInput.type' failed
# to satisfy constraint: Member must satisfy enum value set: [...]".
INPUT_IN_PATH = frozenset({"apigateway"})

# IAM words a broken pattern of a name its own way: "The specified value for roleName is invalid. It must contain only
# alphanumeric characters and/or the following: +=,.@_-" (IAM User Guide, troubleshooting; any SDK).
NAME_PATTERNS: dict[str, dict[str, str]] = {
    "iam": {
        r"[\w+=,.@-]+": "It must contain only alphanumeric characters and/or the following: +=,.@_-",
        r"[\w+=,.@-]*": "It must contain only alphanumeric characters and/or the following: +=,.@_-",
        r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)": "It must begin and end with / and contain only alphanumeric "
        "characters and/or / characters.",
    },
}

# Shapes that the service takes otherwise than its model says.
# A custom domain of a user pool has dots ("auth.example.com", Cognito Developer Guide, "Using your own domain"); which
# names need a CustomDomainConfig is for the service to say.
_LABEL = r"[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?"
SHAPES: dict[str, dict[str, dict[str, str]]] = {
    "cognito-idp": {"DomainType": {"pattern": rf"^{_LABEL}(?:\.{_LABEL})*$"}},
}

# Members that an error always carries: Lambda says whose fault it was, in `Type`.
ERROR_MEMBERS: dict[str, dict[str, str]] = {"lambda": {"Type": "User"}}

# The word for a body that can't be parsed. Elsewhere SerializationException.
MALFORMED_BODY: dict[str, str] = {"lambda": "InvalidRequestContentException"}

# Largest bodies, in bytes. AWS: "Request must be smaller than 70167211 bytes for the CreateFunction operation" (50 MB
# zipped, which base64 makes 70,167,211 bytes with the rest of the request). What an invocation may weigh depends on its
# type, which Lambda itself looks at.
DEFAULT_BODY_LIMIT = 10 * 1024 * 1024
SERVICE_BODY_LIMIT: dict[str, int] = {"s3": 512 * 1024 * 1024}
BODY_LIMIT: dict[tuple[str, str], int] = {
    ("lambda", "CreateFunction"): 70_167_211,
    ("lambda", "UpdateFunctionCode"): 70_167_211,
    ("lambda", "PublishLayerVersion"): 70_167_211,
}

# The same fact has another name in the protocols that answer XML (AWS, "Common Errors" of IAM and of DynamoDB).
QUERY_CODES: dict[str, str] = {
    "AccessDeniedException": "AccessDenied",
    "ThrottlingException": "Throttling",
    "ValidationException": "ValidationError",
    "UnknownOperationException": "InvalidAction",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "ExpiredTokenException": "ExpiredToken",
    "SerializationException": "MalformedQueryString",
    "NotImplementedException": "NotImplemented",
}

# Where the model's paths begin: of a service that is asked below a stage (`/{stage}/@connections/{id}`), or that shares
# its signing name with one whose paths match everything (S3's).
PATH_START: dict[str, re.Pattern[str]] = {
    "apigatewaymanagementapi": re.compile("/@connections/"),
    "s3control": re.compile("^/v20180820/"),
}

# Of the services that share a signing name, the one meant where neither target, action nor path tells. Elsewhere the
# one that is called as it signs.
PREFERRED: dict[str, str] = {"execute-api": "apigatewaymanagementapi", "elasticloadbalancing": "elbv2"}
