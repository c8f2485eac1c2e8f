"""Which service and operation a request is for: a request in a line, the target in the next."""

from __future__ import annotations

import pytest

from forecourt.base.errors import ServiceError
from forecourt.wire import HttpRequest, resolve
from forecourt.wire.index import FILE, build

SCOPE = "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/{}/aws4_request, SignedHeaders=host, Signature=0"

# method, path[?query], then any of: sign=<signing name> target=<X-Amz-Target> host=<host> body=<form> cbor
CASES = """
POST / sign=dynamodb target=DynamoDB_20120810.PutItem
dynamodb PutItem json eu-west-1

POST / sign=dynamodb target=DynamoDBStreams_20120810.ListStreams
dynamodbstreams ListStreams json eu-west-1

POST / target=AWSCognitoIdentityProviderService.InitiateAuth host=localhost:4566
cognito-idp InitiateAuth json us-east-1 unsigned

POST / target=AWSCognitoIdentityService.GetId host=cognito-identity.eu-central-1.amazonaws.com
cognito-identity GetId json eu-central-1 unsigned

POST / sign=states target=AWSStepFunctions.StartSyncExecution host=sync-states.localhost
stepfunctions StartSyncExecution json eu-west-1

POST / sign=events target=AWSEvents.PutEvents
events PutEvents json eu-west-1

POST / sign=sqs target=AmazonSQS.SendMessage
sqs SendMessage json eu-west-1

POST / sign=sqs body=Action=SendMessage&Version=2012-11-05
sqs SendMessage query eu-west-1

POST / sign=sns body=Action=Publish&Version=2010-03-31
sns Publish query eu-west-1

GET /?Action=ConfirmSubscription&Version=2010-03-31 host=localhost
sns ConfirmSubscription query us-east-1

POST / body=Action=AssumeRoleWithWebIdentity&Version=2011-06-15 host=localhost:4566
sts AssumeRoleWithWebIdentity query us-east-1 unsigned

POST / sign=sts body=Action=GetCallerIdentity&Version=2011-06-15
sts GetCallerIdentity query eu-west-1

POST / sign=iam body=Action=CreateUser&Version=2010-05-08
iam CreateUser query eu-west-1

POST / sign=rds body=Action=DescribeDBInstances&Version=2014-10-31
rds DescribeDBInstances query eu-west-1

POST / sign=ec2 body=Action=DescribeInstances&Version=2016-11-15
ec2 DescribeInstances ec2 eu-west-1

POST / sign=monitoring body=Action=PutMetricData&Version=2010-08-01
cloudwatch PutMetricData query eu-west-1

POST /service/GraniteServiceVersion20100801/operation/PutMetricData sign=monitoring cbor
cloudwatch PutMetricData smithy-rpc-v2-cbor eu-west-1

POST / sign=monitoring target=GraniteServiceVersion20100801.PutMetricData
cloudwatch PutMetricData json eu-west-1

GET /restapis sign=apigateway
apigateway GetRestApis rest-json eu-west-1

GET /v2/apis sign=apigateway
apigatewayv2 GetApis rest-json eu-west-1

GET /v2/apis/a1/routes/r1 sign=apigateway
apigatewayv2 GetRoute rest-json eu-west-1 apiId=a1 routeId=r1

GET /tags/arn%3Aaws%3Aapigateway%3Aeu-west-1%3A%3A%2Frestapis%2Fabc sign=apigateway
apigateway GetTags rest-json eu-west-1 resource_arn=arn:aws:apigateway:eu-west-1::/restapis/abc

POST /restapis/a/deployments sign=apigateway
apigateway CreateDeployment rest-json eu-west-1 restapi_id=a

POST /prod/@connections/L0SM9cOFvHcCIhw%3D sign=execute-api
apigatewaymanagementapi PostToConnection rest-json eu-west-1 connectionId=L0SM9cOFvHcCIhw=

GET /v1/apps/app1/segments sign=mobiletargeting
pinpoint GetSegments rest-json eu-west-1 application-id=app1

POST /2015-03-31/functions/f/invocations sign=lambda
lambda Invoke rest-json eu-west-1 FunctionName=f

GET /2015-03-31/functions/ host=lambda.us-west-2.amazonaws.com
lambda ListFunctions rest-json us-west-2

GET /2015-03-31/functions host=lambda.localhost:4566
lambda ListFunctions rest-json us-east-1

PUT /bucket/a/b%2Fc sign=s3
s3 PutObject rest-xml eu-west-1 Bucket=bucket Key=a/b/c

GET /bucket?list-type=2 sign=s3
s3 ListObjectsV2 rest-xml eu-west-1 Bucket=bucket

GET /bucket sign=s3
s3 ListObjects rest-xml eu-west-1 Bucket=bucket

PUT /bucket?lifecycle sign=s3
s3 PutBucketLifecycleConfiguration rest-xml eu-west-1 Bucket=bucket

GET /bucket?notification sign=s3
s3 GetBucketNotificationConfiguration rest-xml eu-west-1 Bucket=bucket

PUT /bucket?acl sign=s3
s3 PutBucketAcl rest-xml eu-west-1 Bucket=bucket

POST /bucket/k?uploads sign=s3
s3 CreateMultipartUpload rest-xml eu-west-1 Bucket=bucket Key=k

PUT /bucket/k?partNumber=1&uploadId=u sign=s3
s3 UploadPart rest-xml eu-west-1 Bucket=bucket Key=k

GET / sign=s3
s3 ListBuckets rest-xml eu-west-1

GET /k.txt sign=s3 host=bucket.s3.localhost:4566
s3 GetObject rest-xml eu-west-1 Bucket=bucket Key=k.txt

GET /bucket/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20260101%2Fap-south-1%2Fs3%2Faws4_request
s3 GetObject rest-xml ap-south-1 Bucket=bucket Key=k

GET /bucket/k?AWSAccessKeyId=AKID&Signature=x%3D&Expires=1790000000
s3 GetObject rest-xml us-east-1 Bucket=bucket Key=k

POST / sign=kinesis target=Kinesis_20131202.PutRecord
kinesis PutRecord json eu-west-1

POST / sign=ses body=Action=SendEmail&Version=2010-12-01
ses SendEmail query eu-west-1

POST /v2/email/outbound-emails sign=ses
sesv2 SendEmail rest-json eu-west-1

POST / sign=dynamodb target=DynamoDB_20120810.Nonsense
! UnknownOperationException 404

POST / target=Nobody.Knows
! UnknownServiceException 404

GET / host=localhost:4566
! UnknownServiceException 404

POST / sign=iam body=Action=Nonsense&Version=2010-05-08
! InvalidAction 400

POST / sign=iam body=Version=2010-05-08
! MissingAction 400

POST / sign=dynamodb
! UnknownOperationException 404

GET /no/such/path sign=apigateway
! UnknownOperationException 404

POST / sign=nosuchservice
! UnknownServiceException 404
"""


def request(line: str) -> HttpRequest:
    method, url, *rest = line.split(" ")
    said = dict(part.partition("=")[::2] for part in rest)
    path, _, query = url.partition("?")
    headers = [(b"host", said.get("host", "localhost:4566").encode())]
    if "sign" in said:
        headers.append((b"authorization", SCOPE.format(said["sign"]).encode()))
    if "target" in said:
        headers.append((b"x-amz-target", said["target"].encode()))
        headers.append((b"content-type", b"application/x-amz-json-1.1"))
    if "cbor" in said:
        headers.append((b"smithy-protocol", b"rpc-v2-cbor"))
    if "body" in said:
        headers.append((b"content-type", b"application/x-www-form-urlencoded; charset=utf-8"))
    return HttpRequest(method, path.encode(), query.encode(), headers, said.get("body", "").encode())


def resolved(line: str) -> str:
    try:
        target = resolve(request(line))
    except ServiceError as error:
        return f"! {error.code} {error.status}"
    words = [target.service, target.operation, target.protocol, target.region, *["unsigned"] * target.unsigned]
    return " ".join(words + [f"{name}={value}" for name, value in target.path_params.items()])


@pytest.mark.parametrize(("line", "expected"), [case.split("\n") for case in CASES.strip().split("\n\n")])
def test_a_request_is_for(line: str, expected: str) -> None:
    assert resolved(line) == expected


def test_the_index_of_services_is_that_of_the_installed_botocore() -> None:
    assert FILE.read_bytes() == build(), "run python -m forecourt.wire.index"
