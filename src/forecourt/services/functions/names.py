"""The forms in which a function, a version or a layer is named. Pure.

`my-function`, `my-function:v1`, `123456789012:function:my-function`, and whole ARNs; the qualifier is a version, an
alias or `$LATEST`, and may also come as a parameter of its own.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from forecourt.base.errors import ValidationException
from forecourt.services.functions.errors import InvalidParameterValueException, ResourceNotFoundException

LATEST = "$LATEST"
_FORM = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):)?"
    r"(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)
_LAYER = re.compile(
    r"arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):layer:"
    r"(?P<name>[a-zA-Z0-9-_]+)(?::(?P<version>\d+))?"
)
_MAX_NAME = 64


class FunctionId(NamedTuple):
    account: str
    region: str
    name: str
    qualifier: str | None = None

    @property
    def function(self) -> tuple[str, str, str]:
        return self.account, self.region, self.name

    @property
    def arn(self) -> str:
        """With the qualifier, if there is one."""
        return function_arn(self.account, self.region, self.name, self.qualifier)


class LayerId(NamedTuple):
    account: str
    region: str
    name: str
    version: int | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:layer:{self.name}"

    @property
    def version_arn(self) -> str:
        return f"{self.arn}:{self.version}"


def function_arn(account: str, region: str, name: str, qualifier: str | None = None) -> str:
    suffix = f":{qualifier}" if qualifier else ""
    return f"arn:aws:lambda:{region}:{account}:function:{name}{suffix}"


def parse_function(text: str, account: str, region: str, qualifier: str | None = None) -> FunctionId:
    """`account` and `region` are the caller's, for the forms that leave them out."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise InvalidParameterValueException(f"Invalid function name: {text}")
    name, named = match["name"], match["qualifier"]
    if len(name) > _MAX_NAME:
        raise ValidationException(
            f"1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: "
            f"Member must have length less than or equal to {_MAX_NAME}"
        )
    if match["region"] not in (None, region):
        raise ResourceNotFoundException(
            f"Functions from '{match['region']}' are not reachable in this region ('{region}')"
        )
    if named and qualifier and named != qualifier:
        raise InvalidParameterValueException(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return FunctionId(match["account"] or account, region, name, qualifier or named)


def parse_layer(text: str, account: str, region: str, version: int | None = None) -> LayerId:
    """A layer's name, its ARN, or the ARN of one of its versions."""
    match = _LAYER.fullmatch(text)
    if match is None:
        return LayerId(account, region, text, version)
    number = int(match["version"]) if match["version"] else version
    return LayerId(match["account"], match["region"], match["name"], number)
