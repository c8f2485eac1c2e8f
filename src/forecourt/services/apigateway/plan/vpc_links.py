"""VPC links: to where a private integration's load balancer, or Cloud Map service, leads.

There is no network of its own to get into. What is asked is the configuration: a listener forwards to the targets of
its default action's target groups, a Cloud Map service to the instances that `DiscoverInstances` finds. Both are asked
of this process's own ELB and Cloud Map, remembered for five seconds, and taken in turn. A load balancer that is not
known there is the business of the caller: a REST API's integration still has its `uri` to go to.
https://docs.aws.amazon.com/apigateway/latest/developerguide/private-integration.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, Caller
from forecourt.base.errors import ServiceError
from forecourt.base.principal import root
from forecourt.services.apigateway.http.model import VpcLink as SecondVpcLink
from forecourt.services.apigateway.plan.backends import Sender
from forecourt.services.apigateway.plan.errors import GatewayError
from forecourt.services.apigateway.rest.model import VpcLink
from forecourt.store import Store
from forecourt.upstream import OnReply, Origin, Request, Response

_REMEMBERED_SECONDS = 5.0
_MOST_REMEMBERED = 1_000
Refusal = Callable[[str], GatewayError]


class Address(NamedTuple):
    host: str
    port: int


class Way(NamedTuple):
    """`target`: the ARN of a listener, a load balancer or a Cloud Map service (with its query); empty: what the VPC
    link itself names. `port`: the listener's, where `target` is a load balancer."""

    account: str
    region: str
    connection_id: str
    target: str
    port: int


class NoWay(Exception):
    """The link is not there, or leads to nothing."""


class VpcLinks:
    def __init__(self, store: Store, caller: Caller) -> None:
        self._store = store
        self._caller = caller
        self._known: dict[Way, tuple[float, Sequence[Address] | None]] = {}
        self._turn = 0

    async def pick(self, way: Way) -> Address | None:
        """None: a load balancer that is not known here. Raises `NoWay`."""
        now = asyncio.get_running_loop().time()
        known = self._known.get(way)
        if known is None or now - known[0] > _REMEMBERED_SECONDS:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            known = self._known[way] = (now, await self._ask(way))
        addresses = known[1]
        if addresses is None:
            return None
        if not addresses:
            raise NoWay(f"{way.target or way.connection_id} has no target that can be reached")
        self._turn += 1
        return addresses[self._turn % len(addresses)]

    def reset(self) -> None:
        self._known.clear()

    async def _ask(self, way: Way) -> Sequence[Address] | None:
        target = way.target or await self._target_of(way)
        if way.target and not await self._is_link(way):
            raise NoWay(f"the VPC link {way.connection_id} is not there")
        try:
            arn = Arn.parse(target.partition("?")[0])
            ask = _ASK[arn.service]
        except (ValueError, KeyError):
            raise NoWay(f"{target} is neither a load balancer nor a Cloud Map service") from None
        context = CallContext(principal=root(way.account), region=way.region, request_id="vpc-link")
        try:
            return await ask(_Asked(self._caller, context), arn, target, way.port)
        except ServiceError as error:
            if error.code.startswith(("LoadBalancerNotFound", "ListenerNotFound")):
                return None
            raise NoWay(f"{target}: {error}") from error

    async def _is_link(self, way: Way) -> bool:
        for kind in (SecondVpcLink, VpcLink):
            if await self._store.get(kind, way.account, way.region, way.connection_id) is not None:
                return True
        return False

    async def _target_of(self, way: Way) -> str:
        link = await self._store.get(VpcLink, way.account, way.region, way.connection_id)
        if link is None or not link.target_arns:
            raise NoWay(f"the VPC link {way.connection_id} is not there")
        return link.target_arns[0]


class _Asked(NamedTuple):
    caller: Caller
    context: CallContext

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        return await self.caller.call(self.context, service, operation, parameters)


async def _load_balancer(asked: _Asked, arn: Arn, target: str, port: int) -> Sequence[Address]:
    named: Mapping[str, Any] = {"ListenerArns": [target]}
    if arn.resource.startswith("loadbalancer/"):
        named = {"LoadBalancerArn": target}
    listeners = (await asked.call("elbv2", "DescribeListeners", **named))["Listeners"]
    fitting = [listener for listener in listeners if listener.get("Port") == port] or listeners
    groups = [group for action in (fitting[0]["DefaultActions"] if fitting else ()) for group in _groups(action)]
    addresses: list[Address] = []
    for group in groups:
        found = await asked.call("elbv2", "DescribeTargetHealth", TargetGroupArn=group)
        addresses += [
            Address(described["Target"]["Id"], int(described["Target"]["Port"]))
            for described in found["TargetHealthDescriptions"]
            if _is_address(described["Target"]["Id"])
        ]
    return addresses


def _groups(action: Mapping[str, Any]) -> list[str]:
    """The target groups that an action forwards to."""
    several = action.get("ForwardConfig", {}).get("TargetGroups") or ()
    weighted = [group["TargetGroupArn"] for group in several if group.get("Weight", 1)]
    single = action.get("TargetGroupArn")
    return weighted or ([single] if single else [])


def _is_address(text: str) -> bool:
    """Not an instance's id or a function's ARN: those run nowhere here."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


async def _cloud_map(asked: _Asked, arn: Arn, target: str, port: int) -> Sequence[Address]:
    service = (await asked.call("servicediscovery", "GetService", Id=arn.resource.rpartition("/")[2]))["Service"]
    namespace = await asked.call("servicediscovery", "GetNamespace", Id=service["NamespaceId"])
    query = dict(parse_qsl(target.partition("?")[2]))
    found = await asked.call(
        "servicediscovery",
        "DiscoverInstances",
        NamespaceName=namespace["Namespace"]["Name"],
        ServiceName=service["Name"],
        HealthStatus="HEALTHY_OR_ELSE_ALL",
        **({"QueryParameters": query} if query else {}),
    )
    attributes = [instance["Attributes"] for instance in found["Instances"]]
    return [
        Address(own["AWS_INSTANCE_IPV4"], int(own["AWS_INSTANCE_PORT"]))
        for own in attributes
        if own.get("AWS_INSTANCE_IPV4") and own.get("AWS_INSTANCE_PORT", "").isdecimal()
    ]


_ASK = {"elasticloadbalancing": _load_balancer, "servicediscovery": _cloud_map}


class ByLink:
    """A `Sender`: the request goes to where the link leads, whatever the host that it names."""

    def __init__(self, links: VpcLinks, sender: Sender, way: Way, refusal: Refusal, *, or_else_origin: bool) -> None:
        """`or_else_origin`: a load balancer that is not known here leads to the origin that the integration names."""
        self._links = links
        self._sender = sender
        self._way = way
        self._refusal = refusal
        self._or_else_origin = or_else_origin

    def begin(self, origin: Origin, request: Request, timeout: float, on_reply: OnReply) -> bool:
        """Never: what happens on the way is awaited."""
        return False

    async def send(self, origin: Origin, request: Request, timeout: float) -> Response:
        try:
            address = await self._links.pick(self._way._replace(port=origin.port))
        except NoWay as error:
            raise self._refusal(str(error)) from error
        if address is not None:
            origin = Origin(origin.scheme, address.host, address.port)
        elif not self._or_else_origin:
            raise self._refusal(f"{self._way.target} is not there")
        return await self._sender.send(origin, request, timeout)
