"""From a policy's JSON to compiled statements, refusing what IAM refuses in IAM's words (`MalformedPolicyDocument`).

What a policy may hold depends on where it stands: an identity's policy has no `Principal`, a resource's needs one, and
a role's trust policy has a principal, no resource, and only STS actions.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from forecourt.auth.policy import pattern
from forecourt.auth.policy.conditions import Condition, ConditionInvalid, compile_condition
from forecourt.auth.policy.principals import PrincipalInvalid, Principals
from forecourt.auth.policy.resources import Resources
from forecourt.auth.policy.statement import Statement

PolicyKind = Literal["identity", "resource", "trust", "any"]

VERSIONS = ("2008-10-17", "2012-10-17")
_POLICY_FIELDS = {"Version", "Id", "Statement"}
_STATEMENT_FIELDS = {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource",
                     "Condition"}  # fmt: skip
_TRUST_ACTIONS = re.compile(r"(sts:[a-z*?]*|\*)\Z", re.IGNORECASE)
_ACTION = re.compile(r"([a-z0-9*?-]+):([a-z0-9*?/.-]+|\S+)\Z", re.IGNORECASE)
_SYNTAX = "Syntax errors in policy."


class PolicyInvalid(Exception):
    """The document is not a policy. The message is IAM's."""


def parse_statements(document: str | bytes | Mapping[str, Any], kind: PolicyKind) -> tuple[Statement, ...]:
    """Raises `PolicyInvalid`."""
    policy = _decoded(document)
    if not isinstance(policy, Mapping) or set(policy) - _POLICY_FIELDS:
        raise PolicyInvalid(_SYNTAX)
    version = policy.get("Version", VERSIONS[0])
    if version not in VERSIONS:
        raise PolicyInvalid("The policy must contain a valid version string")
    if kind == "identity" and "Id" in policy and not isinstance(policy["Id"], str):
        raise PolicyInvalid(_SYNTAX)
    given = policy.get("Statement")
    statements = [given] if isinstance(given, Mapping) else given
    if not isinstance(statements, list) or not all(isinstance(item, Mapping) for item in statements):
        raise PolicyInvalid(_SYNTAX)
    _check_sids(statements)
    variables = version != VERSIONS[0]
    return tuple(_statement(item, index, kind, variables) for index, item in enumerate(statements, 1))


def _decoded(document: str | bytes | Mapping[str, Any]) -> Any:
    if isinstance(document, Mapping):
        return document
    try:
        return msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise PolicyInvalid("This policy contains invalid Json") from None


def _check_sids(statements: list[Mapping[str, Any]]) -> None:
    sids = [item["Sid"] for item in statements if item.get("Sid")]
    if not all(isinstance(sid, str) for sid in sids):
        raise PolicyInvalid(_SYNTAX)
    if len(set(sids)) != len(sids):
        raise PolicyInvalid("Statement IDs (SID) in a single policy must be unique.")


def _statement(item: Mapping[str, Any], index: int, kind: PolicyKind, variables: bool) -> Statement:
    if set(item) - _STATEMENT_FIELDS:
        raise PolicyInvalid(_SYNTAX)
    if "Effect" not in item:
        raise PolicyInvalid("Missing required field Effect")
    if item["Effect"] not in ("Allow", "Deny"):
        raise PolicyInvalid(f"Invalid effect: {item['Effect']}")
    _check_sid(item, kind)
    actions, not_actions = _one_of(item, "Action", "NotAction")
    resources, not_resources = _one_of(item, "Resource", "NotResource")
    conditions = _conditions(item.get("Condition"), variables)
    texts = [*(resources or ()), *(value for condition in conditions for value in condition.values)]
    return Statement(
        index=index,
        sid=item.get("Sid") or "",
        effect=item["Effect"],
        action_texts=actions or [],
        actions=_actions(actions, kind),
        not_actions=not_actions,
        resources=_resources(resources, not_resources, kind, variables),
        principals=_principals(item, kind),
        not_principals="NotPrincipal" in item,
        conditions=conditions,
        variables=pattern.variable_names(texts) if variables else (),
    )


def _check_sid(item: Mapping[str, Any], kind: PolicyKind) -> None:
    sid = item.get("Sid") or ""
    # Policies of resources may have any text as Sid; IAM's own take letters and digits.
    if kind == "identity" and sid and not re.fullmatch(r"[A-Za-z0-9]+", sid):
        raise PolicyInvalid(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression "
            "[0-9A-Za-z]*"
        )


def _one_of(item: Mapping[str, Any], plain: str, inverted: str) -> tuple[list[str] | None, bool]:
    """The texts of `Action` or `NotAction`, and whether it is the latter."""
    if plain in item and inverted in item:
        raise PolicyInvalid(_SYNTAX)
    name = inverted if inverted in item else plain
    if name not in item:
        return None, False
    return _texts(item[name]), name == inverted


def _texts(value: Any) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise PolicyInvalid(_SYNTAX)
    return texts


def _actions(actions: list[str] | None, kind: PolicyKind) -> list[pattern.Match]:
    if not actions:
        raise PolicyInvalid("Policy statement must contain actions.")
    for action in actions:
        if action != "*" and not _ACTION.match(action):
            raise PolicyInvalid("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
        if kind == "trust" and not _TRUST_ACTIONS.match(action):
            raise PolicyInvalid("AssumeRole policy may only specify STS AssumeRole actions.")
    return [pattern.wildcard(action, False, ignore_case=True) for action in actions]


def _resources(texts: list[str] | None, inverted: bool, kind: PolicyKind, variables: bool) -> Resources | None:
    if kind == "trust":
        if texts is not None:
            raise PolicyInvalid("Has prohibited field Resource")
        return None
    if texts is None and kind == "any":
        return None
    if not texts:
        raise PolicyInvalid("Policy statement must contain resources.")
    if kind == "identity":
        for resource in texts:
            _check_resource(resource)
    return Resources(texts, variables, inverted)


def _check_resource(resource: str) -> None:
    if resource == "*" or resource.startswith(("${", "*")):
        return
    parts = resource.split(":")
    if parts[0] != "arn" or len(parts) < 3:
        raise PolicyInvalid(f'Resource {resource} must be in ARN format or "*".')
    if not re.match(r"aws[\w-]*$|[*?$]|aws[*?]", parts[1]):
        raise PolicyInvalid(f'Partition "{parts[1]}" is not valid for resource "{resource}".')


def _principals(item: Mapping[str, Any], kind: PolicyKind) -> Principals | None:
    if "Principal" in item and "NotPrincipal" in item:
        raise PolicyInvalid(_SYNTAX)
    element = item.get("Principal", item.get("NotPrincipal"))
    if element is None:
        if kind in ("resource", "trust"):
            raise PolicyInvalid("Missing required field Principal")
        return None
    if kind == "identity":
        raise PolicyInvalid("Policy document should not specify a principal.")
    try:
        return Principals(element)
    except PrincipalInvalid as error:
        raise PolicyInvalid(f"Invalid principal in policy: {error}") from None


def _conditions(block: Any, variables: bool) -> tuple[Condition, ...]:
    if block is None:
        return ()
    if not isinstance(block, Mapping) or not all(isinstance(keys, Mapping) for keys in block.values()):
        raise PolicyInvalid(_SYNTAX)
    found = []
    for operator, keys in block.items():
        for key, value in keys.items():
            values = [_scalar(entry) for entry in (value if isinstance(value, list) else [value])]
            try:
                found.append(compile_condition(operator, key, values, variables))
            except ConditionInvalid as error:
                if str(error) in (operator, "Null"):
                    raise PolicyInvalid(f"Invalid Condition type : {operator}.") from None
                raise PolicyInvalid(f"Invalid value {error} for condition {operator}.") from None
    return tuple(found)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise PolicyInvalid(_SYNTAX)
