"""Whether a queue or a topic takes what another embedded service hands it: its policy must let the service in.

moto hands on within itself, so nobody else would ask. On moto's thread, where the policy is at hand.

https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html and …/AmazonS3/latest/userguide/
grant-destinations-permissions-to-s3.html
"""

from __future__ import annotations

import logging
from typing import Any

from forecourt.auth.callers import denial, principal_keys
from forecourt.auth.policy import PolicyInvalid, PolicySet, Request, compile_policy, context_of, evaluate
from forecourt.auth.supplies import Mode
from forecourt.base.arn import Arn
from forecourt.base.principal import service

_log = logging.getLogger("forecourt.iam")
_ACTIONS = {"sqs": "sqs:SendMessage", "sns": "sns:Publish"}


class Admission:
    def __init__(self, mode: Mode) -> None:
        self._mode = mode

    def admits(self, source: str, source_arn: str, account: str, target: Arn) -> bool:
        """`source`: the service that delivers (`sns`), for `source_arn` of `account`."""
        if self._mode == "off":
            return True
        principal = service(f"{source}.amazonaws.com", account)
        circumstances = {"aws:SourceArn": source_arn, "aws:SourceAccount": account, "aws:SecureTransport": "true"}
        action = _ACTIONS[target.service]
        asked = Request(action, str(target), context_of({**principal_keys(principal), **circumstances}), principal)
        try:
            policy = compile_policy(text, "resource") if (text := _policy_of(target)) else None
        except PolicyInvalid:
            policy = None
        decision = evaluate(asked, PolicySet(resource=policy, resource_account=target.account))
        if not decision.allowed:
            _log.warning("%s: %s", source_arn, denial(principal, action, str(target), decision))
        return decision.allowed or self._mode == "audit"


def _policy_of(target: Arn) -> str | None:
    from moto.sns.models import sns_backends
    from moto.sqs.models import sqs_backends

    if target.service == "sns":
        held: Any = sns_backends[target.account][target.region].topics.get(str(target))
    else:
        held = sqs_backends[target.account][target.region].queues.get(target.resource)
    found: str | None = held.policy if held is not None else None
    return found
