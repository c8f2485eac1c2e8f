"""Codes of six digits that prove the reach of an address: for sign-up, recovery, verification of an attribute.

One code per user and purpose; a new one replaces the old one. A code is kept as a keyed hash, works once, lives a day
(an hour for a password), dies after five wrong tries, and only so many are sent per hour.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import NoReturn, TypeVar

from forecourt.services.cognito import errors
from forecourt.services.cognito.model import Code, Pool
from forecourt.services.cognito.store import Records
from forecourt.store import Tx

_T = TypeVar("_T")
DIGITS = 6
TRIES = 5
SENT_PER_HOUR = 10
DAY, HOUR = 86400.0, 3600.0
_LIFETIME = {"forgot-password": HOUR}

_MISMATCH = "Invalid verification code provided, please try again."
_EXPIRED = "Invalid code provided, please request a code again."
_TOO_MANY = "Attempt limit exceeded, please try after some time."


class Codes:
    def __init__(self, records: Records) -> None:
        self._records = records

    async def issue(self, pool: Pool, user_key: str, purpose: str, destination: str) -> str:
        """A new code, to be sent. Raises `LimitExceededException` where too many were sent of late."""
        code = self._records.ids.digits(DIGITS)
        now = self._records.clock.now()
        document = Code(
            pool_id=pool.id,
            user_key=user_key,
            purpose=purpose,
            hash=self._records.keyed_hash(pool, purpose, user_key, code),
            expires_at=now + _LIFETIME.get(purpose, DAY),
            destination=destination,
        )

        def put(tx: Tx) -> None:
            before = tx.get(Code, pool.id, user_key, purpose)
            recent = [moment for moment in (before.sent_at if before else ()) if moment > now - HOUR]
            if len(recent) >= SENT_PER_HOUR:
                raise errors.LimitExceededException(_TOO_MANY)
            document.sent_at = [*recent, now]
            tx.put(document)

        await self._records.store.write(put)
        return code

    async def redeem(self, pool: Pool, user_key: str, purpose: str, given: str, effect: Callable[[Tx, Code], _T]) -> _T:
        """Runs `effect` in the transaction that uses the code up. A wrong try is counted whatever else happens."""
        wanted = self._records.keyed_hash(pool, purpose, user_key, given)
        now = self._records.clock.now()

        def judge(tx: Tx) -> tuple[Exception | None, _T | None]:
            code = tx.get(Code, pool.id, user_key, purpose)
            error = _objection(tx, code, wanted, now)
            if code is None or error is not None:
                return error, None
            result = effect(tx, code)
            # What stays remembers how many were sent, and is no code any more.
            code.hash = b""
            tx.put(code)
            return None, result

        error, result = await self._records.store.write(judge)
        if error is not None:
            raise error
        return result  # type: ignore[return-value]

    async def check(self, pool: Pool, user_key: str, purpose: str, given: str) -> None:
        """Raises where `redeem` would, before slow work is done for it. A wrong try counts."""
        wanted = self._records.keyed_hash(pool, purpose, user_key, given)
        now = self._records.clock.now()
        error = await self._records.store.write(
            lambda tx: _objection(tx, tx.get(Code, pool.id, user_key, purpose), wanted, now)
        )
        if error is not None:
            raise error

    async def pretend_to_issue(self, pool: Pool, name: str, purpose: str) -> None:
        """For nobody: a code that is kept and never sent, so that the work and the limits are the same."""
        await self.issue(pool, _nobody(name), purpose, "")

    async def refuse(self, pool: Pool, name: str, purpose: str, given: str) -> NoReturn:
        """What nobody's code comes to: the same answers as to a wrong one of somebody's."""

        def effect(tx: Tx, code: Code) -> None:
            raise self.no_such_code()

        await self.redeem(pool, _nobody(name), purpose, given, effect)
        raise self.no_such_code()

    def no_such_code(self) -> errors.ExpiredCodeException:
        return errors.ExpiredCodeException(_EXPIRED)


def _objection(tx: Tx, code: Code | None, wanted: bytes, now: float) -> Exception | None:
    """What is wrong with a try. A wrong guess is noted."""
    if code is None or code.expires_at <= now or not code.hash:
        return errors.ExpiredCodeException(_EXPIRED)
    if code.attempts >= TRIES:
        return errors.LimitExceededException(_TOO_MANY)
    if hmac.compare_digest(code.hash, wanted):
        return None
    code.attempts += 1
    tx.put(code)
    return errors.CodeMismatchException(_MISMATCH)


def _nobody(name: str) -> str:
    """A key that no user can have: AWS allows no control characters in names."""
    return "\0" + name.lower()
