"""How risky a sign-in looks, purely: compared with where, with what and when the user signed in before.

Each thing that is new adds a point (address, device, hour of the day, failures just before); one is a low risk, two a
medium one, more a high one. A user without a history is no risk: there is nothing to compare with.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from forecourt.services.cognito.model import AuthEvent

LEVELS = ("", "Low", "Medium", "High")
_DAY, _HOUR = 86400, 3600


class Circumstances(msgspec.Struct, frozen=True):
    ip: str
    device: str
    now: float
    failures: int = 0


def level(history: Sequence[AuthEvent], here: Circumstances) -> str:
    """`Low`, `Medium`, `High` or nothing."""
    known = [event for event in history if event.response == "Pass" and not _disowned(event)]
    if not known:
        return ""
    points = [
        bool(here.ip) and _network(here.ip) not in {_network(event.ip) for event in known},
        bool(here.device) and here.device not in {event.device_name for event in known},
        len(known) >= 5 and all(_hours_apart(event.created_at, here.now) > 6 for event in known),
        here.failures >= 3,
    ]
    return LEVELS[min(sum(points), 3)]


def _disowned(event: AuthEvent) -> bool:
    """The user, or an administrator, said that it was somebody else."""
    return event.feedback.get("FeedbackValue") == "Invalid"


def action(configuration: Mapping[str, Any], risk_level: str) -> Mapping[str, Any]:
    """The configured action of a level: EventAction and Notify."""
    actions = configuration.get("AccountTakeoverRiskConfiguration", {}).get("Actions", {})
    found: Mapping[str, Any] = actions.get(f"{risk_level}Action", {}) if risk_level else {}
    return found


def within(ip: str, ranges: Iterable[str]) -> bool:
    """Whether an address is in one of the CIDR ranges."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(text, strict=False) for text in ranges)


def _network(ip: str) -> str:
    """A provider hands out neighbours: /24 and /48 count as one place."""
    try:
        size = 24 if ipaddress.ip_address(ip).version == 4 else 48
        return str(ipaddress.ip_network(f"{ip}/{size}", strict=False))
    except ValueError:
        return ip


def _hours_apart(one: float, other: float) -> float:
    apart = abs(one - other) % _DAY
    return min(apart, _DAY - apart) / _HOUR
