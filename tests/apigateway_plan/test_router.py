"""Which resource answers which path: `routing_cases.txt`, and what it costs."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from forecourt.services.apigateway.plan.router import HttpRouter, Route, Router

KINDS: dict[str, type[Router[str]]] = {"rest": Router, "http": HttpRouter}


def read_cases() -> dict[str, str]:
    text = re.sub(r"(?m)^# .*\n", "", Path(__file__).with_name("routing_cases.txt").read_text())
    sections = (section.partition("\n") for section in re.split(r"(?m)^## ", text)[1:])
    return {title: case for title, _, case in sections}


CASES = read_cases()


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    routes, _, requests = (part.strip() for part in CASES[name].partition("----"))
    lines = routes.splitlines()
    default = "$default" if "$default" in lines else "nothing"
    split = [(line, *line.partition(" ")) for line in lines if line != "$default"]
    router = KINDS[name.partition(":")[0]](Route(method, path, line) for line, method, _, path in split)
    for line in requests.splitlines():
        request, _, expected = line.partition(" -> ")
        method, _, path = request.partition(" ")
        found = router.find(method, path.encode())
        told = default
        if found is not None:
            target, parameters = found
            told = " ".join([target, *(f"{name}={value.decode()}" for name, value in parameters.items())])
        assert f"{request} -> {told}" == f"{request} -> {expected}"


def test_a_thousand_routes_cost_no_more_than_ten() -> None:
    def seconds(count: int) -> float:
        routes = [Route("GET", f"/service{n}/items/{{id}}", n) for n in range(count)]
        router = Router(routes)
        path = f"/service{count - 1}/items/42".encode()
        best = float("inf")
        for _ in range(7):
            started = time.perf_counter()
            for _ in range(300):
                router.find("GET", path)
            best = min(best, time.perf_counter() - started)
        return best

    assert seconds(1000) < 2 * seconds(10)


def test_a_tree_that_invites_backtracking_is_walked_once() -> None:
    letters = "ab"
    paths = [""]
    for _ in range(6):
        paths = [f"{path}/{segment}" for path in paths for segment in (*letters[:1], "{x}")]
    router = Router([Route("GET", f"{path}/end", path) for path in paths])
    started = time.perf_counter()
    assert router.find("GET", b"/a" * 6 + b"/nowhere") is None
    assert time.perf_counter() - started < 0.1
