"""What authorizers remember, and for how long."""

from __future__ import annotations

from forecourt.services.apigateway.authorizers.results import Results


def test_until_it_ends() -> None:
    results: Results[str, int] = Results()
    results.put("a", 1, 10.0)
    assert (results.get("a", 9.9), results.get("a", 10.0), results.get("a", 0.0)) == (1, None, None)


def test_what_was_used_least_lately_goes_first() -> None:
    results: Results[int, int] = Results()
    for key in range(10_000):
        results.put(key, key, 1.0)
    assert results.get(0, 0.0) == 0
    results.put(10_000, 0, 1.0)
    assert (results.get(0, 0.0), results.get(1, 0.0), results.get(2, 0.0)) == (0, None, 2)


def test_long_identities_leave_no_room_for_many() -> None:
    """10,000 tokens of ten kilobytes would be 100 MB."""
    results: Results[tuple[str, str], int] = Results()
    for key in range(5_000):
        results.put(("source", f"{key}{'x' * 10_000}"), key, 1.0)
    kept = [key for key in range(5_000) if results.get(("source", f"{key}{'x' * 10_000}"), 0.0) is not None]
    assert 1_600 < len(kept) < 1_700
    assert kept[-1] == 4_999
    results.clear()
    results.put(("a", "b"), 1, 1.0)
    assert results.get(("a", "b"), 0.0) == 1
