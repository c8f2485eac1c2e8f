"""A CSV file of users, read: its header, and what each line says of a user.

https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-using-import-tool-csv-header.html
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

import msgspec

from forecourt.services.cognito import errors
from forecourt.services.cognito.model import MfaPreference, Pool, User

Row = Mapping[str, str]
_REST = "\0rest"


class Result(msgspec.Struct, frozen=True):
    """What became of one line: `word` is SUCCEEDED, SKIPPED or FAILED."""

    word: str
    reason: str


SUCCEEDED = Result("SUCCEEDED", "The import succeeded.")
SKIPPED = Result("SKIPPED", "The user already exists.")
UNVERIFIED = Result(
    "FAILED",
    "The User Record does not set any of the auto verified attributes to true. (Example: email_verified to true).",
)


def header(pool: Pool) -> list[str]:
    names = [attribute["Name"] for attribute in pool.schema if not attribute["DeveloperOnlyAttribute"]]
    kept = [name for name in names if name not in ("sub", "identities")]
    return [*kept, "cognito:mfa_enabled", "cognito:username"]


def read(pool: Pool, data: bytes) -> list[Row]:
    """Raises `InvalidParameterException` where the header names what the pool does not have, and what `csv` raises."""
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig")), restkey=_REST, restval="")
    unknown = set(reader.fieldnames or ()) - set(header(pool))
    if unknown:
        raise errors.InvalidParameterException(f"unknown columns: {sorted(unknown)}")
    return list(reader)


def attributes(row: Row) -> dict[str, str]:
    if _REST in row:
        raise errors.InvalidParameterException("The line has more columns than the header.")
    return {
        name: value.lower() if name.endswith("_verified") else value
        for name, value in row.items()
        if value and not name.startswith("cognito:")
    }


def username(pool: Pool, row: Row) -> str:
    """The name itself, or the address that is the name in this pool."""
    for column in ("cognito:username", *pool.settings.get("UsernameAttributes", ())):
        if row.get(column):
            return row[column]
    raise errors.InvalidParameterException("The user has no name.")


def second_factor(row: Row, user: User) -> MfaPreference:
    """`cognito:mfa_enabled` is text messages', which need a number."""
    if row.get("cognito:mfa_enabled", "").lower() != "true":
        return MfaPreference()
    if not user.attributes.get("phone_number"):
        raise errors.InvalidParameterException("MFA is enabled for the user, who has no phone_number.")
    return MfaPreference(["SMS_MFA"], "SMS_MFA")
