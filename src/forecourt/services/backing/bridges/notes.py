"""What the request that runs now hands on, and whether the one that it is for lets it in. On moto's thread."""

from __future__ import annotations

from typing import Any

import msgspec

from forecourt.base.arn import Arn
from forecourt.services.backing.admission import Admission
from forecourt.services.backing.deliveries import Delivery

# What the request that runs now has noted so far.
noted: list[Delivery] = []
# Who decides, as the newest `install` says; empty until moto's places are taken.
_admission: list[Admission] = []


def decide_by(admission: Admission) -> bool:
    """Whether somebody decided before."""
    known = bool(_admission)
    _admission[:] = [admission]
    return known


def admits(source: str, source_arn: str, account: str, target: Arn) -> bool:
    return _admission[0].admits(source, source_arn, account, target)


def as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def note_invocation(source: str, source_arn: str, account: str, function_arn: str, event: Any) -> None:
    params = {"FunctionName": function_arn, "InvocationType": "Event", "Payload": as_json(event).encode()}
    region = function_arn.split(":")[3]
    noted.append(
        Delivery(
            account=account,
            region=region,
            source=source,
            source_arn=source_arn,
            service="lambda",
            operation="Invoke",
            params=params,
        )
    )
