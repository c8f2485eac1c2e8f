"""Dashboards: kept as they were given. There is no page that draws them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from forecourt.base.call import CallContext, operation
from forecourt.base.clock import Clock
from forecourt.base.paging import decode_token, encode_token
from forecourt.services.cloudwatch.errors import DashboardInvalidInputError, DashboardNotFoundError, InvalidNextToken
from forecourt.store import Document, Store, Tx

if TYPE_CHECKING:
    from types_boto3_cloudwatch import type_defs as aws

_PAGE = 1000


class Dashboard(Document):
    """Of all regions."""

    __kind__ = "cloudwatch.Dashboard"
    __key__ = ("account", "name")

    account: str
    name: str
    body: str
    updated_at: float

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudwatch::{self.account}:dashboard/{self.name}"


class DashboardsApi:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @operation("PutDashboard")
    async def put_dashboard(self, context: CallContext, request: aws.PutDashboardInputTypeDef) -> dict[str, Any]:
        _check(request["DashboardBody"])
        dashboard = Dashboard(
            account=context.account,
            name=request["DashboardName"],
            body=request["DashboardBody"],
            updated_at=self._clock.now(),
        )
        await self._store.write(lambda tx: tx.put(dashboard))
        return {"DashboardValidationMessages": []}

    @operation("GetDashboard")
    async def get_dashboard(self, context: CallContext, request: aws.GetDashboardInputTypeDef) -> dict[str, Any]:
        found = await self._store.get(Dashboard, context.account, request["DashboardName"])
        if found is None:
            raise _missing(request["DashboardName"])
        return {"DashboardArn": found.arn, "DashboardBody": found.body, "DashboardName": found.name}

    @operation("ListDashboards")
    async def list_dashboards(self, context: CallContext, request: aws.ListDashboardsInputTypeDef) -> dict[str, Any]:
        try:
            after = decode_token(request["NextToken"]) if "NextToken" in request else None
        except ValueError:
            raise InvalidNextToken("The specified NextToken is invalid.") from None
        found = await self._store.list(
            Dashboard,
            context.account,
            starts_with=request.get("DashboardNamePrefix", ""),
            after=after,
            limit=_PAGE + 1,
        )
        page: dict[str, Any] = {"DashboardEntries": [_entry(dashboard) for dashboard in found[:_PAGE]]}
        more = {"NextToken": encode_token((context.account, found[_PAGE - 1].name))} if len(found) > _PAGE else {}
        return page | more

    @operation("DeleteDashboards")
    async def delete_dashboards(
        self, context: CallContext, request: aws.DeleteDashboardsInputTypeDef
    ) -> dict[str, Any]:
        """All of them, or none."""

        def run(tx: Tx) -> None:
            for name in request["DashboardNames"]:
                if not tx.delete(Dashboard, context.account, name):
                    raise _missing(name)

        await self._store.write(run)
        return {}


def _check(body: str) -> None:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise DashboardInvalidInputError("The field DashboardBody must be a valid JSON object")


def _missing(name: str) -> DashboardNotFoundError:
    return DashboardNotFoundError(f"Dashboard {name} does not exist")


def _entry(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "DashboardName": dashboard.name,
        "DashboardArn": dashboard.arn,
        "LastModified": dashboard.updated_at,
        "Size": len(dashboard.body.encode()),
    }
