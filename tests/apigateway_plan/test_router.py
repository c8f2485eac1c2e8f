"""Which resource answers which path, as text: the routes, a line of dashes, then requests and what they find."""

from __future__ import annotations

import time

import pytest

from forecourt.services.apigateway.plan.router import Route, Router

CASES = {
    "the root": """
        GET /
        ----
        GET / -> GET /
        GET /x -> nothing
        POST / -> nothing
    """,
    "exact before a parameter before a greedy one": """
        GET /pets/dog
        GET /pets/{id}
        GET /pets/{proxy+}
        GET /{proxy+}
        ----
        GET /pets/dog -> GET /pets/dog
        GET /pets/cat -> GET /pets/{id} id=cat
        GET /pets/cat/toys -> GET /pets/{proxy+} proxy=cat/toys
        GET /pets/dog/toys -> GET /pets/{proxy+} proxy=dog/toys
        GET /pets -> GET /{proxy+} proxy=pets
        GET / -> nothing
    """,
    "a method before ANY": """
        GET /pets
        ANY /pets
        ----
        GET /pets -> GET /pets
        POST /pets -> ANY /pets
        OPTIONS /pets -> ANY /pets
    """,
    "a resource without the method ends the search": """
        GET /pets
        ANY /{proxy+}
        ----
        GET /pets -> GET /pets
        POST /pets -> nothing
        POST /other -> ANY /{proxy+} proxy=other
    """,
    "what was tried in vain is undone": """
        GET /a/b/c
        GET /a/{x}/d
        GET /{p+}
        ----
        GET /a/b/c -> GET /a/b/c
        GET /a/b/d -> GET /a/{x}/d x=b
        GET /a/b/e -> GET /{p+} p=a/b/e
        GET /a/b -> GET /{p+} p=a/b
    """,
    "several parameters": """
        GET /{a}/x/{b}
        PUT /{a}/{b}/{c+}
        ----
        GET /1/x/2 -> GET /{a}/x/{b} a=1 b=2
        PUT /1/x/2 -> nothing
        PUT /1/y/2/3 -> PUT /{a}/{b}/{c+} a=1 b=y c=2/3
    """,
    "a slash at the end": """
        GET /pets
        GET /pets/{id}
        ----
        GET /pets/ -> GET /pets
        GET /pets/7/ -> GET /pets/{id} id=7
        GET /pets// -> nothing
    """,
    "encoded characters": """
        GET /a b/x
        GET /pets/{id}
        GET /caf%C3%A9
        ----
        GET /a%20b/x -> GET /a b/x
        GET /pets/a%2Fb -> GET /pets/{id} id=a%2Fb
        GET /p%65ts/1 -> GET /pets/{id} id=1
        GET /caf%c3%a9 -> GET /caf%C3%A9
    """,
    "empty segments are no parameters": """
        GET /pets/{id}/toys
        ----
        GET /pets//toys -> nothing
        GET //pets/1/toys -> nothing
    """,
    "case counts": """
        GET /Pets
        ----
        GET /pets -> nothing
        get /Pets -> nothing
    """,
    "a greedy parameter takes at least one segment": """
        ANY /files/{path+}
        ----
        GET /files -> nothing
        GET /files/ -> nothing
        GET /files/a -> ANY /files/{path+} path=a
        GET /files/a//b -> ANY /files/{path+} path=a//b
    """,
}
NARROWING = {
    "a route without the method gives way": """
        GET /pets/dog/1
        GET /pets/dog/{id}
        GET /pets/{proxy+}
        ANY /{proxy+}
        ----
        GET /pets/dog/1 -> GET /pets/dog/1
        GET /pets/dog/2 -> GET /pets/dog/{id} id=2
        GET /pets/cat/1 -> GET /pets/{proxy+} proxy=cat/1
        POST /test/5 -> ANY /{proxy+} proxy=test/5
        POST /pets/dog/1 -> ANY /{proxy+} proxy=pets/dog/1
    """,
}


def check(case: str, *, method_narrows: bool = False) -> None:
    routes, _, requests = (part.strip() for part in case.partition("----"))
    lines = [line.strip() for line in routes.splitlines()]
    router = Router([Route(*line.split(" ", 1), line) for line in lines], method_narrows=method_narrows)
    for line in requests.splitlines():
        request, _, expected = line.strip().partition(" -> ")
        method, _, path = request.partition(" ")
        found = router.find(method, path.encode())
        told = "nothing"
        if found is not None:
            told = " ".join([found.target, *(f"{name}={value.decode()}" for name, value in found.parameters.items())])
        assert f"{request} -> {told}" == f"{request} -> {expected}"


@pytest.mark.parametrize("name", CASES)
def test_rest_apis(name: str) -> None:
    check(CASES[name])


@pytest.mark.parametrize("name", NARROWING)
def test_http_apis(name: str) -> None:
    check(NARROWING[name], method_narrows=True)


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
