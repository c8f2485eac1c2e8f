"""What users and administrators say of an event: it was the user, or it was not.

A notice of a risky sign-in carries two links with a token for that one event, good for a week, sealed. An event that
was called invalid no longer counts as known when later sign-ins are judged.
"""

from __future__ import annotations

import msgspec

from forecourt.services.cognito import errors, sealed
from forecourt.services.cognito.model import AuthEvent, User
from forecourt.services.cognito.store import Records
from forecourt.store import Tx

_PURPOSE = "cognito.feedback"
_LIFETIME_SECONDS = 7 * 86400
_SEARCHED = 1000
VALUES = ("Valid", "Invalid")


class FeedbackToken(msgspec.Struct, frozen=True):
    pool_id: str
    user_key: str
    event_id: str
    expires_at: float


def new_token(records: Records, user: User, event_id: str) -> str:
    expires_at = records.clock.now() + _LIFETIME_SECONDS
    return sealed.seal_text(records.sealer, _PURPOSE, FeedbackToken(user.pool_id, user.key, event_id, expires_at))


def open_token(records: Records, text: str) -> FeedbackToken:
    try:
        token = sealed.unseal_text(records.sealer, _PURPOSE, FeedbackToken, text)
    except sealed.BrokenToken:
        raise errors.NotAuthorizedException("Invalid feedback token.") from None
    if token.expires_at <= records.clock.now():
        raise errors.NotAuthorizedException("Feedback token has expired.")
    return token


async def note(records: Records, pool_id: str, user_key: str, event_id: str, value: str, provider: str) -> None:
    """`provider` is who says it: Admin or User."""

    def put(tx: Tx) -> None:
        for event in tx.list(AuthEvent, pool_id, user_key, limit=_SEARCHED, reverse=True):
            if event.event_id == event_id:
                event.feedback = {
                    "FeedbackValue": value,
                    "Provider": provider,
                    "FeedbackDate": records.clock.now(),
                }
                tx.put(event)
                return
        raise errors.ResourceNotFoundException("Event does not exist.")

    await records.store.write(put)
