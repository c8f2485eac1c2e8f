"""What becomes of a delivery that fails: the retry policy and dead-letter queue of a rule's or schedule's target. Pure.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

import msgspec

DAY_SECONDS = 86_400.0
_PAUSES_SECONDS = (1.0, 5.0, 25.0, 125.0)
_LONGEST_PAUSE_SECONDS = 600.0
_AWS_MAX_ATTEMPTS = 185


class RetryPolicy(msgspec.Struct, frozen=True):
    """As a rule's or schedule's target has it. Without one AWS goes on for hours; here whoever is down for longer than
    the first pauses is down."""

    attempts: int = len(_PAUSES_SECONDS)
    age_seconds: float = DAY_SECONDS

    def pauses(self) -> Iterator[float]:
        for attempt in range(self.attempts):
            yield _PAUSES_SECONDS[attempt] if attempt < len(_PAUSES_SECONDS) else _LONGEST_PAUSE_SECONDS


class DeadLetter(msgspec.Struct, frozen=True):
    """What is sent to an SQS queue instead, with message attributes: these, and what is known at the end."""

    queue_arn: str
    body: str
    attributes: dict[str, str]


class LastResorts(TypedDict):
    """What becomes of a delivery that fails."""

    retry: RetryPolicy
    dead_letter: DeadLetter | None


def last_resorts(target: Mapping[str, Any], body: str, attributes: dict[str, str]) -> LastResorts:
    """As the target of a rule or schedule has it, with AWS's defaults."""
    policy = target.get("RetryPolicy") or {}
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    return {
        "retry": RetryPolicy(
            int(policy.get("MaximumRetryAttempts", _AWS_MAX_ATTEMPTS)),
            float(policy.get("MaximumEventAgeInSeconds", DAY_SECONDS)),
        ),
        "dead_letter": DeadLetter(queue, body, attributes) if queue else None,
    }
