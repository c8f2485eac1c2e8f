"""The attributes of a pool's users: the standard ones of OpenID Connect, and the pool's own (`custom:…`, `dev:…`).

A schema is a list of AWS's SchemaAttributeType documents, in AWS's order. Values are kept as text, as AWS does. What is
wrong with a value is said in AWS's words; several complaints are listed in one error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from forecourt.services.cognito import names
from forecourt.services.cognito.errors import InvalidParameterException, NotAuthorizedException

Schema = list[dict[str, Any]]
_LONG = {"MinLength": "0", "MaxLength": "2048"}
_VERIFIED_FLAGS = ("email_verified", "phone_number_verified")


def _standard(name: str, constraints: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    attribute = {
        "Name": name,
        "AttributeDataType": "String",
        "DeveloperOnlyAttribute": False,
        "Mutable": True,
        "Required": False,
    }
    if changes.get("AttributeDataType") == "Number":
        return {**attribute, **changes, "NumberAttributeConstraints": {"MinValue": "0"}}
    if changes.get("AttributeDataType") == "Boolean":
        return {**attribute, **changes}
    return {**attribute, **changes, "StringAttributeConstraints": _LONG if constraints is None else constraints}


STANDARD: Schema = [
    _standard("sub", {"MinLength": "1", "MaxLength": "2048"}, Mutable=False, Required=True),
    *(
        _standard(name)
        for name in [
            "name",
            "given_name",
            "family_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "email",
        ]
    ),
    _standard("email_verified", AttributeDataType="Boolean"),
    _standard("gender"),
    _standard("birthdate", {"MinLength": "10", "MaxLength": "10"}),
    _standard("zoneinfo"),
    _standard("locale"),
    _standard("phone_number"),
    _standard("phone_number_verified", AttributeDataType="Boolean"),
    _standard("address"),
    _standard("updated_at", AttributeDataType="Number"),
    _standard("identities", {}),
]
STANDARD_NAMES = frozenset(attribute["Name"] for attribute in STANDARD)
# Nobody writes these through an attribute list.
_OWNED_BY_THE_POOL = frozenset({"sub", "identities"})


def build(declared: Iterable[Mapping[str, Any]]) -> Schema:
    """The pool's whole schema from CreateUserPool's `Schema`."""
    by_name = {attribute["Name"]: dict(attribute) for attribute in STANDARD}
    for attribute in declared:
        name = attribute.get("Name", "")
        if name in by_name and name in STANDARD_NAMES:
            by_name[name] = _override(by_name[name], attribute)
        else:
            custom = custom_attribute(attribute)
            if custom["Name"] in by_name:
                raise InvalidParameterException(
                    f"Duplicate custom attribute names {custom['Name']} are not allowed in a user pool schema."
                )
            by_name[custom["Name"]] = custom
    return list(by_name.values())


def add_custom(schema: Schema, declared: Iterable[Mapping[str, Any]]) -> Schema:
    added = [custom_attribute(attribute) for attribute in declared]
    taken = {attribute["Name"] for attribute in schema}
    for attribute in added:
        if attribute["Name"] in taken:
            raise InvalidParameterException(f"{attribute['Name']}: Existing attribute already has name.")
        taken.add(attribute["Name"])
    return [*schema, *added]


def check_size(schema: Schema, most: int) -> None:
    if sum(attribute["Name"].startswith(("custom:", "dev:")) for attribute in schema) > most:
        raise InvalidParameterException(f"Cannot add more than {most} custom attributes.")


def _override(standard: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    if given.get("AttributeDataType", standard["AttributeDataType"]) != standard["AttributeDataType"]:
        raise InvalidParameterException(
            f"You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute "
            f"{standard['Name']}"
        )
    if given.get("DeveloperOnlyAttribute"):
        raise InvalidParameterException(
            f"You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute "
            f"{standard['Name']}"
        )
    changed = dict(standard)
    for key in ("Mutable", "Required"):
        if key in given:
            changed[key] = given[key]
    for key in ("StringAttributeConstraints", "NumberAttributeConstraints"):
        if key in given and key in changed:
            changed[key] = {**changed[key], **given[key]}
    return changed


def custom_attribute(given: Mapping[str, Any]) -> dict[str, Any]:
    name = given.get("Name")
    if not name:
        raise InvalidParameterException("Attribute name is required.")
    if given.get("Required"):
        raise InvalidParameterException("Required custom attributes are not supported currently.")
    kind = given.get("AttributeDataType", "String")
    developer = bool(given.get("DeveloperOnlyAttribute", False))
    bare = name.removeprefix("custom:").removeprefix("dev:")
    attribute: dict[str, Any] = {
        "Name": ("dev:custom:" if developer else "custom:") + bare,
        "AttributeDataType": kind,
        "DeveloperOnlyAttribute": developer,
        "Mutable": given.get("Mutable", True),
        "Required": False,
    }
    if kind == "String":
        attribute["StringAttributeConstraints"] = dict(given.get("StringAttributeConstraints", {}))
    if kind == "Number":
        attribute["NumberAttributeConstraints"] = dict(given.get("NumberAttributeConstraints", {}))
    _check_order(attribute)
    return attribute


_BOUNDS = {
    "StringAttributeConstraints": ("MinLength", "MaxLength", "max length shorter than it's min length"),
    "NumberAttributeConstraints": ("MinValue", "MaxValue", "max value smaller than it's min value"),
}


def _check_order(attribute: Mapping[str, Any]) -> None:
    for constraints, (least, most, wording) in _BOUNDS.items():
        limits = attribute.get(constraints, {})
        for bound in limits.values():
            if not re.fullmatch(r"-?\d{1,18}", str(bound)):
                raise InvalidParameterException(f"Attribute {attribute['Name']} has an invalid constraint: {bound}")
        if {least, most} <= set(limits) and int(limits[least]) > int(limits[most]):
            raise InvalidParameterException(f"Attribute {attribute['Name']} cannot have a {wording}")


def as_mapping(attributes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """From AWS's list of Name and Value."""
    result: dict[str, str] = {}
    for attribute in attributes:
        if attribute["Name"] in result:
            raise InvalidParameterException(f"Attribute {attribute['Name']} is specified more than once.")
        result[attribute["Name"]] = attribute.get("Value", "")
    return result


def as_list(attributes: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in attributes.items()]


def check_values(schema: Schema, attributes: Mapping[str, str]) -> None:
    """Every value fits its attribute. Raises `InvalidParameterException` with all complaints."""
    by_name = {attribute["Name"]: attribute for attribute in schema}
    complaints = []
    for name, value in attributes.items():
        if name in _OWNED_BY_THE_POOL:
            raise InvalidParameterException(f"Cannot modify the non-mutable attribute {name}")
        attribute = by_name.get(name)
        if attribute is None:
            complaints.append(f"{name}: Attribute does not exist in the schema.\n")
        elif value and (complaint := _complaint(attribute, value)):
            complaints.append(f"{name}: {complaint}\n")
    _raise(complaints)
    if attributes.get("email") and not names.is_email(attributes["email"]):
        raise InvalidParameterException("Invalid email address format.")
    if attributes.get("phone_number") and not names.is_phone(attributes["phone_number"]):
        raise InvalidParameterException("Invalid phone number format.")


def check_required(schema: Schema, attributes: Mapping[str, str]) -> None:
    _raise(
        f"{_LONG_NAMES.get(attribute['Name'], attribute['Name'])}: The attribute is required\n"
        for attribute in schema
        if attribute["Required"] and attribute["Name"] != "sub" and not attributes.get(attribute["Name"])
    )


def check_mutable(schema: Schema, names_written: Iterable[str], present: Mapping[str, str]) -> None:
    """A value of an immutable attribute stays; it may be given once."""
    fixed = {attribute["Name"] for attribute in schema if not attribute["Mutable"]}
    for name in names_written:
        if name in fixed and name in present:
            raise InvalidParameterException(f"user.{name}: Attribute cannot be updated.")


def check_deletable(schema: Schema, names_deleted: Iterable[str]) -> None:
    by_name = {attribute["Name"]: attribute for attribute in schema}
    for name in names_deleted:
        attribute = by_name.get(name)
        if attribute is None:
            raise InvalidParameterException(f"user.{name}: Attribute does not exist in the schema.")
        if attribute["Required"]:
            raise InvalidParameterException(f"user.{name}: Attribute is required and cannot be deleted.")
        if not attribute["Mutable"]:
            raise InvalidParameterException(f"user.{name}: Attribute cannot be updated.")


def readable(schema: Schema, client_settings: Mapping[str, Any]) -> frozenset[str]:
    """What the client may see: its ReadAttributes, or everything but developers' attributes."""
    if client_settings.get("ReadAttributes"):
        return frozenset(client_settings["ReadAttributes"]) | {"sub", "identities"}
    return frozenset(attribute["Name"] for attribute in schema if not attribute["DeveloperOnlyAttribute"])


def writable(schema: Schema, client_settings: Mapping[str, Any]) -> frozenset[str]:
    listed = client_settings.get("WriteAttributes")
    everything = {attribute["Name"] for attribute in schema if not attribute["DeveloperOnlyAttribute"]}
    return frozenset(listed if listed else everything) - {*_VERIFIED_FLAGS, "sub", "identities"}


def check_writable(schema: Schema, client_settings: Mapping[str, Any], names_written: Iterable[str]) -> None:
    allowed = writable(schema, client_settings)
    if not set(names_written) <= allowed:
        raise NotAuthorizedException("A client attempted to write unauthorized attribute")


def claim(attribute_name: str, value: str) -> object:
    """The value as it stands in an ID token: flags are JSON booleans, `updated_at` is a number, an address an object
    (OpenID Connect Core, 5.1), the rest text."""
    if attribute_name in _VERIFIED_FLAGS:
        return value == "true"
    if attribute_name == "address":
        return {"formatted": value}
    if attribute_name == "updated_at" and value.isdecimal():
        return int(value)
    return value


# AWS names this one attribute by its path in the directory behind.
_LONG_NAMES = {"name": "name.formatted"}


def _raise(complaints: Iterable[str]) -> None:
    text = "".join(complaints)
    if text:
        raise InvalidParameterException(f"Attributes did not conform to the schema: {text}")


def _complaint(attribute: Mapping[str, Any], value: str) -> str:
    if attribute["Name"] == "birthdate":
        return "" if _is_date(value) else "Attribute value is not a valid date, expected format YYYY-MM-DD"
    return _CHECKS[attribute["AttributeDataType"]](attribute, value)


def _string(attribute: Mapping[str, Any], value: str) -> str:
    limits = attribute.get("StringAttributeConstraints", {})
    if len(value) < int(limits.get("MinLength", 0)):
        return f"String must be no shorter than {limits['MinLength']} characters"
    if len(value) > int(limits.get("MaxLength", 2048)):
        return f"String must be no longer than {limits.get('MaxLength', 2048)} characters"
    return ""


def _number(attribute: Mapping[str, Any], value: str) -> str:
    if not re.fullmatch(r"-?\d{1,18}", value):
        return "Attribute value could not be parsed as a number"
    limits = attribute.get("NumberAttributeConstraints", {})
    if "MinValue" in limits and int(value) < int(limits["MinValue"]):
        return f"Number must be no less than {limits['MinValue']}"
    if "MaxValue" in limits and int(value) > int(limits["MaxValue"]):
        return f"Number must be no more than {limits['MaxValue']}"
    return ""


def _boolean(attribute: Mapping[str, Any], value: str) -> str:
    return "" if value.lower() in ("true", "false") else "Attribute value must be true or false"


def _date_time(attribute: Mapping[str, Any], value: str) -> str:
    return "" if re.fullmatch(r"\d{4}-\d{2}-\d{2}([T ].*)?|\d+", value) else "Attribute value must be a date and time"


def _is_date(value: str) -> bool:
    try:
        return date.fromisoformat(value) is not None and len(value) == 10
    except ValueError:
        return False


_CHECKS = {"String": _string, "Number": _number, "Boolean": _boolean, "DateTime": _date_time}
