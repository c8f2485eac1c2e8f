"""The queue of activity tasks against a plain list: first come, first served, and no task for two workers."""

from __future__ import annotations

import asyncio
import time

from hypothesis import given
from hypothesis import strategies as st

from forecourt.services.stepfunctions.engine.tokens import decode_token, encode_token
from forecourt.services.stepfunctions.run.activities import Activities

ACTIVITY = "arn:aws:states:us-east-1:000000000000:activity:a"


def token(number: int) -> str:
    return encode_token(f"arn:execution:{number}", 1, f"nonce{number}")


def remove(activities: Activities, text: str) -> None:
    place = decode_token(text)
    activities.remove(place.execution_arn, place.nonce)


@given(st.lists(st.tuples(st.sampled_from(["add", "poll", "give back", "remove"]), st.integers(0, 9))))
def test_like_a_list(steps: list[tuple[str, int]]) -> None:
    async def run() -> None:
        activities, expected, given_out = Activities(), list[str](), list[str]()
        for step, number in steps:
            one = token(number)
            if step == "add" and one not in expected:
                activities.add(ACTIVITY, one)
                expected.append(one)
            elif step == "poll":
                got = await activities.poll(ACTIVITY, 0.0)
                assert got == (expected.pop(0) if expected else None)
                if got is not None:
                    given_out.append(got)
            elif step == "give back" and given_out and given_out[-1] not in expected:
                expected.insert(0, given_out.pop())
                activities.give_back(ACTIVITY, expected[0])
            elif step == "remove":
                remove(activities, one)
                expected = [other for other in expected if other != one]
        while expected:
            assert await activities.poll(ACTIVITY, 0.0) == expected.pop(0)
        assert await activities.poll(ACTIVITY, 0.0) is None

    asyncio.run(run())


def test_a_task_that_nobody_waits_for_any_more_is_found_at_once_among_many() -> None:
    activities = Activities()
    for number in range(20_000):
        activities.add(ACTIVITY, token(number))
    began = time.process_time()
    for number in range(200):
        remove(activities, token(number))
    # Looking through all of them each time took twelve seconds
    assert time.process_time() - began < 1.0
