"""The sample, deployed twice as a reader would, then used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from forecourt.testing import Forecourt

SCRIPT = Path(__file__).parents[2] / "examples" / "petstore" / "deploy.py"


def deploy(server: Forecourt) -> str:
    environment = {**os.environ, "AWS_ENDPOINT_URL": server.url}
    ran = subprocess.run([sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()[5]


@pytest.fixture(scope="module")
def url(server: Forecourt) -> str:
    first = deploy(server)
    assert deploy(server) == first
    return first


def test_a_pets_life(url: str) -> None:
    created = httpx.post(url + "/pets", json={"name": "Rex", "type": "dog", "price": 249.99})
    assert created.status_code == 201
    pet = created.json()
    assert created.headers["location"].endswith(f"/dev/pets/{pet['id']}")
    one = f"{url}/pets/{pet['id']}"
    assert httpx.get(one).json() == {"id": pet["id"], "name": "Rex", "type": "dog", "price": 249.99}
    assert httpx.put(one, json={"name": "Max", "type": "dog"}).json() == {
        "id": pet["id"], "name": "Max", "type": "dog", "price": 0,
    }  # fmt: skip
    assert pet["id"] in [found["id"] for found in httpx.get(url + "/pets", params={"type": "dog"}).json()]
    assert pet["id"] not in [found["id"] for found in httpx.get(url + "/pets", params={"type": "cat"}).json()]
    assert httpx.delete(one).status_code == 204
    assert httpx.get(one).status_code == 404


@pytest.mark.parametrize(
    "body", ["", "[1]", "{}", '{"name": 1, "type": "dog"}', '{"name": "x", "type": "y", "price": -1}']
)
def test_what_is_no_pet_is_refused(url: str, body: str) -> None:
    answer = httpx.post(url + "/pets", content=body)
    assert answer.status_code == 400
    assert "message" in answer.json()


@pytest.mark.parametrize(
    ("path", "expected"), [("/hello/world", {"message": "Hello, world!"}), ("/health", {"status": "running"})]
)
def test_routes_without_a_function(url: str, path: str, expected: dict[str, Any]) -> None:
    answer = json.loads(httpx.get(url + path).text)
    assert {name: answer.get(name) for name in expected} == expected
