"""Alarms and their history in the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection

from forecourt.base.clock import Clock
from forecourt.services.cloudwatch.alarms.composite import parse
from forecourt.services.cloudwatch.alarms.model import Alarm, AlarmEvent, arn_of
from forecourt.services.cloudwatch.errors import ResourceNotFound, ValidationError
from forecourt.store import Store, Tx

# AWS keeps two weeks; here the last items of each alarm.
_MOST_EVENTS = 100


class AlarmStore:
    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self._clock = clock

    async def all(self) -> list[Alarm]:
        return await self.store.list(Alarm)

    async def of(self, account: str, region: str, prefix: str = "") -> list[Alarm]:
        return await self.store.list(Alarm, account, region, starts_with=prefix)

    async def get(self, account: str, region: str, name: str) -> Alarm | None:
        return await self.store.get(Alarm, account, region, name)

    async def put(self, alarm: Alarm) -> None:
        """Makes the alarm, or gives it new settings: then its state, tags and history stay.

        Raises `ValidationError` where an alarm of the other kind has the name.
        """

        def run(tx: Tx) -> None:
            old = tx.get(Alarm, alarm.account, alarm.region, alarm.name)
            if old is None:
                tx.put(alarm)
                self._note(tx, alarm, "ConfigurationUpdate", f'Alarm "{alarm.name}" created')
                return
            if old.kind != alarm.kind:
                raise ValidationError(f"An alarm with name {alarm.name} already exists with a different alarm type.")
            old.settings, old.configured_at = alarm.settings, alarm.configured_at
            tx.put(old)
            self._note(tx, old, "ConfigurationUpdate", f'Alarm "{alarm.name}" updated')

        await self.store.write(run)

    async def move(self, before: Alarm, alarm: Alarm) -> bool:
        """Puts `alarm` where `before` still stands."""

        def run(tx: Tx) -> bool:
            if tx.get(Alarm, alarm.account, alarm.region, alarm.name) != before:
                return False
            tx.put(alarm)
            if alarm.state != before.state:
                summary = f"Alarm updated from {before.state} to {alarm.state}"
                self._note(tx, alarm, "StateUpdate", summary, _transition(before, alarm))
            return True

        return await self.store.write(run)

    async def change(self, account: str, region: str, names: Collection[str], change: Callable[[Alarm], None]) -> None:
        """Those of `names` that there are."""

        def run(tx: Tx) -> None:
            for name in names:
                alarm = tx.get(Alarm, account, region, name)
                if alarm is not None:
                    change(alarm)
                    tx.put(alarm)

        await self.store.write(run)

    async def delete(self, account: str, region: str, names: Collection[str]) -> None:
        """All of them, or none: raises `ResourceNotFound`, or `ValidationError` where a composite alarm needs one."""

        def run(tx: Tx) -> None:
            needed = {child for other in tx.list(Alarm, account, region) for child in children_of(other)}
            for name in names:
                if needed & {name, arn_of(account, region, name)}:
                    raise ValidationError(f"Cannot delete {name} as there are composite alarm(s) depending on it.")
                if not tx.delete(Alarm, account, region, name):
                    raise ResourceNotFound(f"Alarm {name} does not exist")
                tx.delete_all(AlarmEvent, account, region, name)

        await self.store.write(run)

    def _note(self, tx: Tx, alarm: Alarm, kind: str, summary: str, data: str = "{}") -> None:
        key = (alarm.account, alarm.region, alarm.name)
        kept = tx.list(AlarmEvent, *key)
        for old in kept[: len(kept) - _MOST_EVENTS + 1] if len(kept) >= _MOST_EVENTS else ():
            tx.delete(AlarmEvent, *key, old.at)
        at = max(self._clock.now_ms(), int(kept[-1].at) + 1 if kept else 0)
        tx.put(
            AlarmEvent(
                account=alarm.account,
                region=alarm.region,
                name=alarm.name,
                at=f"{at:015}",
                kind=kind,
                summary=summary,
                data=data,
                of=alarm.kind,
            )
        )


def children_of(alarm: Alarm) -> tuple[str, ...]:
    """The names and ARNs that a composite alarm goes by."""
    return parse(alarm.rule).children if alarm.rule else ()


def _transition(before: Alarm, alarm: Alarm) -> str:
    def shown(one: Alarm) -> dict[str, object]:
        data = {"stateReasonData": json.loads(one.reason_data)} if one.reason_data else {}
        return {"stateValue": one.state, "stateReason": one.reason, **data}

    return json.dumps({"version": "1.0", "oldState": shown(before), "newState": shown(alarm)})
