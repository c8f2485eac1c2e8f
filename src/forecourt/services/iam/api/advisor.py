"""The access advisor: which services a policy's holders may use, and when they last did.

A report is ready as soon as it is asked for, and tells what is known when it is read.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from forecourt.auth.policy import compile_policy
from forecourt.base.call import CallContext, operation
from forecourt.services.iam.accesses import Accesses
from forecourt.services.iam.api.kit import IamApi, Kit, Request, Result, managed_document
from forecourt.services.iam.errors import InvalidInputException, NoSuchEntityException
from forecourt.services.iam.model import Access, AccessReport, Group, LastAccess, Role, User
from forecourt.services.iam.store import page
from forecourt.store import Tx

_DAY_SECONDS = 86_400
_NAMES = {
    "apigateway": "Amazon API Gateway",
    "cloudformation": "AWS CloudFormation",
    "cloudwatch": "Amazon CloudWatch",
    "cognito-identity": "Amazon Cognito Identity",
    "cognito-idp": "Amazon Cognito User Pools",
    "dynamodb": "Amazon DynamoDB",
    "events": "Amazon EventBridge",
    "execute-api": "Amazon API Gateway",
    "firehose": "Amazon Kinesis Firehose",
    "iam": "AWS Identity and Access Management",
    "kinesis": "Amazon Kinesis Data Streams",
    "kms": "AWS Key Management Service",
    "lambda": "AWS Lambda",
    "logs": "Amazon CloudWatch Logs",
    "mobiletargeting": "Amazon Pinpoint",
    "s3": "Amazon S3",
    "secretsmanager": "AWS Secrets Manager",
    "sns": "Amazon SNS",
    "sqs": "Amazon SQS",
    "ssm": "AWS Systems Manager",
    "states": "AWS Step Functions",
    "sts": "AWS Security Token Service",
}


class _Holders(NamedTuple):
    """Whose accesses count, and the policies that say what they may use."""

    users_and_roles: Sequence[User | Role]
    documents: Sequence[str]


class AccessAdvisorApi(IamApi):
    def __init__(self, kit: Kit, accesses: Accesses) -> None:
        super().__init__(kit)
        self._accesses = accesses

    @operation("GenerateServiceLastAccessedDetails")
    async def generate(self, context: CallContext, request: Request) -> Result:
        await self._holders(context.account, request["Arn"])
        report = AccessReport(
            account=context.account,
            id=self.kit.ids.uuid(),
            arn=request["Arn"],
            granularity=request.get("Granularity") or "SERVICE_LEVEL",
            created_at=self.kit.clock.now(),
        )
        old = [
            found
            for found in await self.store.list(AccessReport, context.account)
            if found.created_at < report.created_at - _DAY_SECONDS
        ]

        def change(tx: Tx) -> None:
            for found in old:
                tx.delete(AccessReport, found.account, found.id)
            tx.put(report)

        await self.store.write(change)
        return {"JobId": report.id}

    @operation("GetServiceLastAccessedDetails")
    async def get_details(self, context: CallContext, request: Request) -> Result:
        report = await self._report(context.account, request["JobId"])
        holders = await self._holders(context.account, report.arn)
        by_service = await self._by_service(holders.users_and_roles)
        in_detail = report.granularity == "ACTION_LEVEL"
        services = [_service(name, by_service.get(name, []), in_detail) for name in _namespaces(holders.documents)]
        chosen, more = page(services, request, lambda service: str(service["ServiceNamespace"]))
        return _job(report) | {"JobType": report.granularity, "ServicesLastAccessed": chosen, **more}

    @operation("GetServiceLastAccessedDetailsWithEntities")
    async def get_details_with_entities(self, context: CallContext, request: Request) -> Result:
        report = await self._report(context.account, request["JobId"])
        holders = await self._holders(context.account, report.arn)
        if request["ServiceNamespace"] not in _namespaces(holders.documents):
            raise NoSuchEntityException(f"No report found for service {request['ServiceNamespace']}.")
        found = (await self._by_service(holders.users_and_roles)).get(request["ServiceNamespace"], [])
        last = {access.arn: access.last for access in found}
        entities: list[Result] = [
            {
                "EntityInfo": {
                    "Arn": holder.arn,
                    "Name": holder.name,
                    "Type": holder.noun.upper(),
                    "Id": holder.id,
                    "Path": holder.path,
                },
                **({"LastAuthenticated": last[holder.arn].at} if holder.arn in last else {}),
            }
            for holder in holders.users_and_roles
        ]
        chosen, more = page(entities, request, lambda entity: str(entity["EntityInfo"]["Arn"]))
        return _job(report) | {"EntityDetailsList": chosen, **more}

    async def _report(self, account: str, id: str) -> AccessReport:
        found = await self.store.get(AccessReport, account, id)
        if found is None:
            raise NoSuchEntityException(f"Report with JobId {id} cannot be found.")
        await self._accesses.write()
        return found

    async def _by_service(self, holders: Iterable[User | Role]) -> dict[str, list[Access]]:
        found: dict[str, list[Access]] = {}
        for holder in holders:
            for access in await self.store.list(Access, holder.account, holder.arn):
                found.setdefault(access.service, []).append(access)
        return found

    async def _holders(self, account: str, arn: str) -> _Holders:
        noun, _, name = arn.partition(f":{account}:")[2].partition("/")
        name = name.rpartition("/")[2]
        if noun == "user":
            user = await self.directory.get(User, account, name)
            groups = [await self.directory.get(Group, account, group) for group in user.groups]
            return _Holders([user], await self._documents([user, *groups]))
        if noun == "role":
            role = await self.directory.get(Role, account, name)
            return _Holders([role], await self._documents([role]))
        if noun == "group":
            group = await self.directory.get(Group, account, name)
            return _Holders(await self._members(group), await self._documents([group]))
        if noun == "policy" or arn.startswith("arn:aws:iam::aws:policy/"):
            return await self._holders_of_policy(account, arn)
        raise InvalidInputException(f"ARN {arn} is not valid.")

    async def _holders_of_policy(self, account: str, arn: str) -> _Holders:
        document = await managed_document(self.directory, account, arn)
        if document is None:
            raise NoSuchEntityException(f"Policy {arn} does not exist or is not attachable.")
        found: dict[str, User | Role] = {}
        found |= {user.arn: user for user in await self.store.find(User, "by_policy", account, arn)}
        found |= {role.arn: role for role in await self.store.find(Role, "by_policy", account, arn)}
        for group in await self.store.find(Group, "by_policy", account, arn):
            found |= {user.arn: user for user in await self._members(group)}
        return _Holders(list(found.values()), [document])

    async def _members(self, group: Group) -> list[User]:
        return await self.store.find(User, "by_group", group.account, group.key)

    async def _documents(self, holders: Iterable[User | Group | Role]) -> list[str]:
        found: list[str] = []
        for holder in holders:
            managed = [await managed_document(self.directory, holder.account, arn) for arn in holder.attached]
            found += [*holder.inline.values(), *filter(None, managed)]
        return found


def _namespaces(documents: Iterable[str]) -> list[str]:
    """Of the services that the policies may allow, or deny, something of."""
    found: set[str] = set()
    for document in documents:
        for statement in compile_policy(document, "identity").statements:
            for text in statement.action_texts:
                namespace = text.partition(":")[0].lower()
                found |= set(_NAMES) if "*" in namespace else {namespace}
    return sorted(found)


def _service(namespace: str, accesses: Sequence[Access], in_detail: bool) -> Result:
    shown: Result = {
        "ServiceName": _NAMES.get(namespace, namespace),
        "ServiceNamespace": namespace,
        "TotalAuthenticatedEntities": len(accesses),
    }
    if not accesses:
        return shown
    newest = max(accesses, key=lambda access: access.last.at)
    shown |= {
        "LastAuthenticated": newest.last.at,
        "LastAuthenticatedEntity": newest.arn,
        "LastAuthenticatedRegion": newest.last.region,
    }
    return shown | ({"TrackedActionsLastAccessed": _actions(accesses)} if in_detail else {})


def _actions(accesses: Iterable[Access]) -> list[Result]:
    newest: dict[str, tuple[str, LastAccess]] = {}
    for access in accesses:
        for action, last in access.actions.items():
            if action not in newest or newest[action][1].at < last.at:
                newest[action] = (access.arn, last)
    return [
        {
            "ActionName": action,
            "LastAccessedEntity": arn,
            "LastAccessedTime": last.at,
            "LastAccessedRegion": last.region,
        }
        for action, (arn, last) in sorted(newest.items())
    ]


def _job(report: AccessReport) -> Result:
    at = report.created_at
    return {"JobStatus": "COMPLETED", "JobCreationDate": at, "JobCompletionDate": at}
