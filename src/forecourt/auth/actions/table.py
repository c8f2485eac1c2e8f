"""What a service's operations need, as a table: action, resource and condition keys, from the parameters.

A table is text, one rule a line, and the first rule that fits decides:

    UserPoolId          userpool/{UserPoolId}        where this parameter is given, that is the resource
    ResourceArn         {ResourceArn}                a whole ARN
    @CreateUserPool     *                            for this operation
    *                   *                            for any other

A resource that is neither `*` nor a whole ARN stands behind `arn:aws:{service}:{region}:{account}:`. `@Invoke,
@InvokeAsync = InvokeFunction function:{FunctionName}` renames the action. An operation that needs no permission (its
caller is identified by a token in the parameters) has the resource `-`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from forecourt.base.call import CallContext, Demand

Params = Mapping[str, Any]


# A parameter's value as it stands in an ARN: `FunctionName` may be a name, a partial or a whole ARN.
Normalize = Callable[[str], str]
# Condition keys of an operation's own.
Conditions = Callable[[str, Params], Mapping[str, Any]]


_PARAMETER = re.compile(r"\{(\w+)\}")
_ROLE_MEMBER = re.compile(r"role|credentials|caller_?arn", re.IGNORECASE)
_ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/")
_READS = ("Get", "List", "Describe", "Search")
_MANY = re.compile(r"\{([\w.]+\[\][\w.]*)\}")


class Rule(NamedTuple):
    operations: frozenset[str]
    parameter: str
    action: str
    resource: str

    def fits(self, params: Params) -> bool:
        return not self.parameter or params.get(self.parameter) not in (None, "")


class PassRole(NamedTuple):
    """Where an operation's parameters name a role that a service will act as."""

    operations: frozenset[str]
    path: str
    service: str


class Table:
    """`normalize` makes of a parameter's value what stands for it in the ARN: the end of one, or a whole one. Where
    roles are what a service is about, naming one does not hand it over: `passes_roles` is false."""

    def __init__(
        self,
        prefix: str,
        rules: str,
        *,
        pass_role: str = "",
        normalize: Mapping[str, Normalize] | None = None,
        conditions: Conditions | None = None,
        service_principal: str = "",
        passes_roles: bool = True,
    ) -> None:
        self.prefix = prefix
        self._service_principal = service_principal or f"{prefix}.amazonaws.com"
        self._passes_roles = passes_roles
        self._rules = [_rule(line) for line in rules.strip().splitlines()]
        self._candidates: dict[str, list[Rule]] = {}
        self._pass_role = [_pass_role(line) for line in pass_role.strip().splitlines()]
        self._normalize = normalize or {}
        self._conditions = conditions

    def demands(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        candidates = self._candidates.get(operation) or self._candidates_for(operation)
        rule = next(rule for rule in candidates if rule.fits(params))
        if rule.resource != "-":
            own = self._conditions(operation, params) if self._conditions is not None else {}
            action = f"{self.prefix}:{rule.action or operation}"
            for resource in self._resources(rule.resource, params, context):
                yield Demand(action, resource, own)
        yield from self._passed_roles(operation, params, context)

    def _passed_roles(self, operation: str, params: Params, context: CallContext) -> Iterator[Demand]:
        """Of what the table lists, and of any other member that hands a role over: to the service itself."""
        found: dict[str, Demand] = {}
        for passed in self._pass_role:
            if operation in passed.operations:
                for demand in role_demands(at(params, passed.path), passed.service, context):
                    found.setdefault(demand.resource, demand)
        if self._passes_roles and not operation.startswith(_READS):
            for demand in role_demands(sorted(roles_in(params)), self._service_principal, context):
                found.setdefault(demand.resource, demand)
        yield from found.values()

    def _candidates_for(self, operation: str) -> list[Rule]:
        found = [rule for rule in self._rules if not rule.operations or operation in rule.operations]
        self._candidates[operation] = found
        return found

    def _resources(self, template: str, params: Params, context: CallContext) -> Iterator[str]:
        """One, or as many as a list in the parameters names (`{AlarmNames[]}`)."""
        many = _MANY.search(template)
        if many is None:
            yield self._resource(template, params, context)
            return
        name = many[1].partition("[")[0]
        for value in at(params, many[1]):
            filled = self._normalize[name](value) if name in self._normalize else value
            yield self._resource(template.replace(f"{{{many[1]}}}", filled), params, context)

    def _resource(self, template: str, params: Params, context: CallContext) -> str:
        if template == "*":
            return "*"

        def value(found: re.Match[str]) -> str:
            name = found[1]
            given = str(params.get(name) or "")
            return self._normalize[name](given) if name in self._normalize else given

        filled = _PARAMETER.sub(value, template) if "{" in template else template
        if filled.startswith("arn:"):
            return filled.replace("<region>", context.region).replace("<account>", context.account)
        return f"arn:aws:{self.prefix}:{context.region}:{context.account}:{filled}"


def role_demands(arns: Sequence[str], service: str, context: CallContext) -> Iterator[Demand]:
    """`iam:PassRole` on each role: who lets a service act as a role must be allowed to hand it over."""
    for arn in dict.fromkeys(arns):
        role = arn if arn.startswith("arn:") else f"arn:aws:iam::{context.account}:role/{arn}"
        if ":role/" in role:
            yield Demand("iam:PassRole", role, {"iam:PassedToService": service})


def place_of(arn: str, context: CallContext) -> tuple[str, str]:
    """Account and region that an ARN names; the caller's for anything else."""
    parts = arn.split(":")
    return (parts[4], parts[3]) if len(parts) > 5 else (context.account, context.region)


def roles_in(params: Any, name: str = "") -> set[str]:
    """The ARNs of roles under members called as roles are, at any depth."""
    if isinstance(params, Mapping):
        return {arn for key, value in params.items() for arn in roles_in(value, str(key))}
    if isinstance(params, list | tuple):
        return {arn for value in params for arn in roles_in(value, name)}
    return {params} if isinstance(params, str) and _ROLE_MEMBER.search(name) and _ROLE.match(params) else set()


def at(params: Any, path: str) -> list[str]:
    """The texts at `SmsConfiguration.SnsCallerArn`, `Targets[].RoleArn`, `Roles[]` (also a map's values)."""
    found: list[Any] = [params]
    for part in path.split("."):
        name, many = part.removesuffix("[]"), part.endswith("[]")
        found = [item.get(name) for item in found if isinstance(item, Mapping)]
        if many:
            found = [
                entry for item in found if item for entry in (item.values() if isinstance(item, Mapping) else item)
            ]
    return [str(item) for item in found if item not in (None, "") and not isinstance(item, Mapping | list)]


def _rule(line: str) -> Rule:
    subject, _, rest = line.strip().partition("  ")
    names, _, action = (part.strip() for part in subject.partition("="))
    resource = rest.strip()
    if names == "*":
        return Rule(frozenset(), "", action, resource)
    if names.startswith("@"):
        return Rule(frozenset(names.replace("@", "").replace(",", " ").split()), "", action, resource)
    return Rule(frozenset(), names, action, resource)


def _pass_role(line: str) -> PassRole:
    operations, path, service = line.split()
    return PassRole(frozenset(operations.split(",")), path, service)
