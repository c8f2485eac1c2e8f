"""DynamoDB, down to rows and columns.

`dynamodb:LeadingKeys` are the values of the partition key that a request touches, `dynamodb:Attributes` the columns
that it names. Which attribute is the partition key stands in the table's (or the index's) schema, so leading keys are
worked out when a policy asks for them (`leading_keys`), by whoever can look the schema up. Where the partition key of
a request cannot be told, the leading key is one that no policy allows.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from forecourt.auth.actions import partiql
from forecourt.auth.actions.table import Params, Table
from forecourt.auth.supplies import UNMAPPED
from forecourt.base.call import CallContext, Demand

# What `leading_keys` works from: carried along with the demand's conditions, seen by no policy.
ACCESS = "forecourt:DynamoDbAccess"
UNKNOWN_KEY = "\x00unknown"

_KEYED = frozenset({"GetItem", "PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem", "BatchGetItem",
                    "BatchWriteItem", "Query"})  # fmt: skip
_NAMES = re.compile(r"#?[A-Za-z_][\w.\-]*|:[\w.\-]+|'[^']*'")
_WORDS = frozenset({
    "and", "or", "not", "between", "in", "set", "remove", "add", "delete", "attribute_exists", "attribute_not_exists",
    "attribute_type", "begins_with", "contains", "size", "if_not_exists", "list_append",
})  # fmt: skip
_EXPRESSIONS = ("ProjectionExpression", "FilterExpression", "ConditionExpression", "UpdateExpression",
                "KeyConditionExpression")  # fmt: skip


def _table_arn(given: str) -> str:
    return given.partition(":table/")[2].partition("/")[0] if given.startswith("arn:") else given


_PLAIN = Table(
    "dynamodb",
    """
@ListTables, @DescribeLimits, @DescribeEndpoints, @ListBackups, @ListExports, @ListImports, @ListGlobalTables  *
ResourceArn       {ResourceArn}
TableName         table/{TableName}
TableArn          {TableArn}
BackupArn         {BackupArn}
ExportArn         {ExportArn}
ImportArn         {ImportArn}
SourceTableArn    {SourceTableArn}
GlobalTableName   arn:aws:dynamodb::<account>:global-table/{GlobalTableName}
*                 *
""",
    normalize={"TableName": _table_arn},
)
_STREAMS = Table(
    "dynamodb",
    """
StreamArn       {StreamArn}
ShardIterator   {ShardIterator}
*               *
""",
    # An iterator begins with its stream's ARN, with AWS too.
    normalize={"ShardIterator": lambda iterator: iterator.partition("|")[0]},
)


class DynamoDb:
    prefix = "dynamodb"

    def demands(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        if operation in ("BatchGetItem", "BatchWriteItem"):
            for table, entry in (params.get("RequestItems") or {}).items():
                yield _item_demand(operation, {"TableName": table, "Requests": entry}, context)
        elif operation in ("TransactGetItems", "TransactWriteItems"):
            yield from _transaction(operation, params, context)
        elif operation in ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"):
            yield from _partiql(operation, params, context)
        elif operation in _KEYED or operation == "Scan":
            yield _item_demand(operation, params, context)
        else:
            yield from _PLAIN.demands(operation, params, context)


class DynamoDbStreams:
    prefix = "dynamodb"

    def demands(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        return _STREAMS.demands(operation, params, context)


def _item_demand(operation: str, params: Params, context: CallContext, enclosing: str = "") -> Demand:
    table = f"arn:aws:dynamodb:{context.region}:{context.account}:table/{_table_arn(str(params.get('TableName', '')))}"
    given = str(params.get("TableName", ""))
    if given.startswith("arn:"):
        table = given
    index = f"/index/{params['IndexName']}" if params.get("IndexName") else ""
    conditions: dict[str, Any] = {}
    for member, key in (("Select", "dynamodb:Select"), ("ReturnValues", "dynamodb:ReturnValues"),
                        ("ReturnConsumedCapacity", "dynamodb:ReturnConsumedCapacity")):  # fmt: skip
        if params.get(member):
            conditions[key] = params[member]
    if names := attributes(params):
        conditions["dynamodb:Attributes"] = tuple(sorted(names))
    if enclosing:
        conditions["dynamodb:EnclosingOperation"] = enclosing
    if operation in _KEYED:
        conditions[ACCESS] = {"operation": operation, **params}
    return Demand(f"dynamodb:{operation}", table + index, conditions)


def _transaction(operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
    kinds = {"Get": "GetItem", "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem",
             "ConditionCheck": "ConditionCheckItem"}  # fmt: skip
    for item in params.get("TransactItems") or ():
        for kind, entry in item.items():
            yield _item_demand(kinds[kind], entry, context, enclosing=operation)


def _partiql(operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
    statements = (
        [params] if operation == "ExecuteStatement" else params.get("Statements") or params["TransactStatements"]
    )
    for entry in statements:
        statement = partiql.read(str(entry.get("Statement", "")))
        if statement is None:
            yield Demand(UNMAPPED, f"dynamodb:{operation}", {})
            continue
        conditions: dict[str, Any] = {
            ACCESS: {"operation": operation, "PartiQL": {**entry, "Statement": statement}},
            "dynamodb:Attributes": tuple(sorted(partiql.attributes(statement))),
        }
        if statement.action == "PartiQLSelect":
            every = partiql.selects_all(statement)
            conditions["dynamodb:Select"] = "ALL_ATTRIBUTES" if every else "SPECIFIC_ATTRIBUTES"
        if operation == "ExecuteTransaction":
            conditions["dynamodb:EnclosingOperation"] = operation
        for table, index in statement.tables:
            resource = f"arn:aws:dynamodb:{context.region}:{context.account}:table/{table}"
            resource += f"/index/{index}" if index else ""
            yield Demand(f"dynamodb:{statement.action}", resource, conditions)


# --- Columns ------------------------------------------------------------------------------------------------------


def attributes(params: Params) -> set[str]:
    """The top-level attributes that a request names."""
    requests = params.get("Requests")
    if isinstance(requests, Mapping):
        keys = [name for key in requests.get("Keys") or () for name in key]
        return {*keys, *attributes({**requests, "Requests": None, "Keys": None})}
    if isinstance(requests, list):
        bodies = [next(iter(request.values())) for request in requests if request]
        return {name for body in bodies for name in (body.get("Item") or body.get("Key") or {})}
    names: set[str] = set(params.get("AttributesToGet") or ())
    for member in ("Key", "Item", "Expected", "AttributeUpdates", "KeyConditions", "QueryFilter", "ScanFilter"):
        names.update(params.get(member) or ())
    aliases = params.get("ExpressionAttributeNames") or {}
    for member in _EXPRESSIONS:
        names.update(_named(str(params.get(member) or ""), aliases))
    return names


def _named(expression: str, aliases: Mapping[str, str]) -> Iterator[str]:
    for word in _NAMES.findall(expression):
        if word[0] in ":'" or word.lower() in _WORDS:
            continue
        top = word.partition(".")[0]
        yield aliases.get(top, top)


# --- Rows ---------------------------------------------------------------------------------------------------------


def leading_keys(access: Params, partition_key: str) -> tuple[str, ...]:
    """The partition key's values that a request touches."""
    found = [_value(key.get(partition_key)) for key in _keys(access, partition_key)]
    return tuple(dict.fromkeys(found)) or (UNKNOWN_KEY,)


def _keys(access: Params, partition_key: str) -> Iterable[Mapping[str, Any]]:
    if access["operation"] == "Query":
        return [{partition_key: _queried(access, partition_key)}]
    if entry := access.get("PartiQL"):
        values = partiql.key_values(entry["Statement"], partition_key, entry.get("Parameters") or ())
        return [{partition_key: value} for value in values]
    requests = access.get("Requests")
    if isinstance(requests, Mapping):
        return list(requests.get("Keys") or ())
    if isinstance(requests, list):
        bodies = [next(iter(request.values())) for request in requests if request]
        return [body.get("Item") or body.get("Key") or {} for body in bodies]
    return [access.get("Key") or access.get("Item") or {}]


def _queried(access: Params, partition_key: str) -> Any:
    """The one value that `KeyConditionExpression` (or `KeyConditions`) equates with the partition key."""
    conditions, expression = access.get("KeyConditions") or {}, str(access.get("KeyConditionExpression") or "")
    found: list[Any] = []
    if partition_key in conditions:
        equal = conditions[partition_key].get("ComparisonOperator") == "EQ"
        found.append(next(iter(conditions[partition_key].get("AttributeValueList") or ()), None) if equal else None)
    if re.search(r"\b(or|not)\b", expression, re.IGNORECASE):
        return None
    aliases = access.get("ExpressionAttributeNames") or {}
    values = access.get("ExpressionAttributeValues") or {}
    for name, value in re.findall(r"(#?[\w.\-]+)\s*=\s*(:[\w.\-]+)", expression):
        if aliases.get(name, name) == partition_key:
            found.append(values.get(value))
    # Of two, which one counts would be the service's choice.
    return found[0] if len(found) == 1 else None


def _value(given: Any) -> str:
    """`{"S": "x"}` as text; blobs as base64."""
    if not isinstance(given, Mapping) or not given:
        return UNKNOWN_KEY
    value = next(iter(given.values()))
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
