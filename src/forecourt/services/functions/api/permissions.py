"""Resource policies: who besides the account's own principals may use a function.

https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.services.functions.api.base import Api, check_revision
from forecourt.services.functions.errors import (
    InvalidParameterValueException,
    PolicyLengthExceededException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from forecourt.services.functions.model import ResourcePolicy
from forecourt.services.functions.names import LATEST, FunctionId
from forecourt.services.functions.store import require_qualifier
from forecourt.services.functions.validation import MAX_POLICY_BYTES
from forecourt.store import Tx

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import (
        AddPermissionRequestTypeDef,
        GetPolicyRequestTypeDef,
        RemovePermissionRequestTypeDef,
    )

_SERVICE = re.compile(r"[a-zA-Z0-9.-]+\.(amazonaws\.com(\.cn)?|alexa\.amazon\.com)|[a-z-]+\.amazon\.com")
_ACCOUNT = re.compile(r"\d{12}")
# The request's member, the condition's operator and its key
_CONDITIONS = (
    ("SourceArn", "ArnLike", "AWS:SourceArn"),
    ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
    ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
    ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
    ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
    ("InvokedViaFunctionUrl", "Bool", "lambda:InvokedViaFunctionUrl"),
)


class PermissionsApi(Api):
    @operation("AddPermission")
    async def add_permission(self, context: CallContext, request: AddPermissionRequestTypeDef) -> dict[str, Any]:
        id = _plain(self._id(context, request["FunctionName"], request.get("Qualifier")))
        statement = make_statement(id, request)

        def add(tx: Tx) -> None:
            require_qualifier(tx, id)
            policy = tx.get(ResourcePolicy, *id.function, id.qualifier or "") or _empty(id)
            check_revision(request.get("RevisionId"), policy.revision_id)
            if any(existing["Sid"] == statement["Sid"] for existing in policy.statements):
                raise ResourceConflictException(
                    f"The statement id ({statement['Sid']}) provided already exists. "
                    "Please provide a new statement id, or remove the existing statement."
                )
            policy.statements.append(statement)
            if len(policy_document(_document(policy))) > MAX_POLICY_BYTES:
                raise PolicyLengthExceededException(
                    f"The final policy size is bigger than the limit ({MAX_POLICY_BYTES})."
                )
            policy.revision_id = self._ids.uuid()
            tx.put(policy)

        await self._store.write(add)
        return {"Statement": policy_document(statement)}

    @operation("RemovePermission")
    async def remove_permission(self, context: CallContext, request: RemovePermissionRequestTypeDef) -> None:
        id = _plain(self._id(context, request["FunctionName"], request.get("Qualifier")))

        def remove(tx: Tx) -> None:
            require_qualifier(tx, id)
            policy = tx.get(ResourcePolicy, *id.function, id.qualifier or "")
            if policy is None:
                raise ResourceNotFoundException("No policy is associated with the given resource.")
            check_revision(request.get("RevisionId"), policy.revision_id)
            kept = [statement for statement in policy.statements if statement["Sid"] != request["StatementId"]]
            if len(kept) == len(policy.statements):
                raise statement_not_found(request["StatementId"])
            policy.statements = kept
            policy.revision_id = self._ids.uuid()
            if kept:
                tx.put(policy)
            else:
                tx.delete(ResourcePolicy, *id.function, id.qualifier or "")

        await self._store.write(remove)

    @operation("GetPolicy")
    async def get_policy(self, context: CallContext, request: GetPolicyRequestTypeDef) -> dict[str, Any]:
        id = _plain(self._id(context, request["FunctionName"], request.get("Qualifier")))
        await self._store.resolve(id)
        policy = await self._store.store.get(ResourcePolicy, *id.function, id.qualifier or "")
        if policy is None:
            raise ResourceNotFoundException("The resource you requested does not exist.")
        return {"Policy": policy_document(_document(policy)), "RevisionId": policy.revision_id}

    async def policy(self, id: FunctionId) -> dict[str, Any] | None:
        """The policy document of a function (or its version or alias), for who decides about access."""
        id = _plain(id)
        policy = await self._store.store.get(ResourcePolicy, *id.function, id.qualifier or "")
        return None if policy is None else _document(policy)


def make_statement(id: FunctionId, request: Mapping[str, Any]) -> dict[str, Any]:
    """The statement that AddPermission's parameters describe. Pure."""
    conditions: dict[str, dict[str, str]] = {}
    for member, operator, key in _CONDITIONS:
        if request.get(member) is not None:
            value = request[member]
            conditions.setdefault(operator, {})[key] = str(value).lower() if isinstance(value, bool) else value
    statement: dict[str, Any] = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": _principal(request["Principal"]),
        "Action": request["Action"],
        "Resource": id.arn,
    }
    return {**statement, "Condition": conditions} if conditions else statement


def _principal(text: str) -> str | dict[str, str]:
    if text == "*":
        return "*"
    if _ACCOUNT.fullmatch(text):
        return {"AWS": f"arn:aws:iam::{text}:root"}
    if text.startswith("arn:"):
        return {"AWS": text}
    if _SERVICE.fullmatch(text):
        return {"Service": text}
    raise InvalidParameterValueException(
        "The provided principal was invalid. Please check the principal and try again."
    )


def policy_document(document: object) -> str:
    return json.dumps(document, separators=(",", ":"))


def statement_not_found(statement_id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Statement {statement_id} is not found in resource policy.")


def _plain(id: FunctionId) -> FunctionId:
    """`$LATEST` has no policy of its own: it is the function's."""
    return id._replace(qualifier=None) if id.qualifier == LATEST else id


def _empty(id: FunctionId) -> ResourcePolicy:
    return ResourcePolicy(account=id.account, region=id.region, name=id.name, qualifier=id.qualifier or "")


def _document(policy: ResourcePolicy) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Id": "default", "Statement": policy.statements}
