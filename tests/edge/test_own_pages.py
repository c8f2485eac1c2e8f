"""`/_forecourt/…` over the network: health, clock, reset, and what is refused."""

from __future__ import annotations

import http.client
import json
import signal
import socket
from pathlib import Path

import pytest

from forecourt import __version__
from forecourt.testing import Forecourt


def ask(server: Forecourt, method: str, path: str, body: str = "", **headers: str) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, json.loads(content)


def test_health_and_version(server: Forecourt) -> None:
    status, health = ask(server, "GET", "/_forecourt/health")
    assert (status, health["status"], health["version"]) == (200, "running", __version__)
    assert ask(server, "GET", "/_forecourt/ready") == (200, {"ready": True})


def test_an_unknown_page_names_the_known_ones(server: Forecourt) -> None:
    status, answer = ask(server, "GET", "/_forecourt/helth")
    assert status == 404
    assert "/_forecourt/health" in str(answer["message"])


@pytest.mark.parametrize("body", ["", "two days", '{"seconds": -1}', '{"seconds": 1e300}', '{"days": 2}', "[]"])
def test_a_clock_that_is_asked_nonsense_stands(server: Forecourt, body: str) -> None:
    before = server.ask("/_forecourt/clock")["offset_seconds"]
    status, answer = ask(server, "POST", "/_forecourt/clock/advance", body)
    assert status == 400
    assert answer["message"]
    assert server.ask("/_forecourt/clock")["offset_seconds"] == before


@pytest.mark.parametrize("path", ["/_forecourt/reset", "/_forecourt/clock/advance", "/_forecourt/mailbox"])
def test_a_page_of_another_origin_may_not(server: Forecourt, path: str) -> None:
    method = "GET" if path.endswith("mailbox") else "POST"
    status, answer = ask(server, method, path, '{"seconds": 1}', origin="https://evil.example")
    assert status == 403
    assert "another origin" in str(answer["message"])


def test_only_an_ephemeral_run_can_be_reset_and_a_moved_clock_stays_moved(tmp_path: Path) -> None:
    with Forecourt(data=tmp_path / "data") as forecourt:
        status, answer = ask(forecourt, "POST", "/_forecourt/reset")
        assert (status, answer["code"]) == (403, "Refused")
        moved = forecourt.advance_clock(2 * 86_400)
        forecourt.kill()
        forecourt.start()
        assert forecourt.ask("/_forecourt/clock")["now"] >= moved


def test_two_processes_do_not_share_a_data_folder(tmp_path: Path) -> None:
    with Forecourt(data=tmp_path) as first:
        second = Forecourt(data=tmp_path)
        with pytest.raises(RuntimeError, match="in use by another Forecourt") as raised:
            second.start()
        assert "Traceback" not in str(raised.value)
        assert first.ask("/_forecourt/ready") == {"ready": True}


def test_a_port_in_use_is_said_plainly() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(RuntimeError, match="is in use") as raised:
            Forecourt(port=taken.getsockname()[1]).start()
        assert "Traceback" not in str(raised.value)


def test_a_stop_ends_with_status_0(tmp_path: Path) -> None:
    forecourt = Forecourt(data=tmp_path)
    forecourt.start()
    assert forecourt.stop() == 0
    forecourt.start()
    assert forecourt.kill() == -signal.SIGKILL


def test_a_pools_signing_key_is_rotated(server: Forecourt) -> None:
    pools = server.client("cognito-idp")
    pool = pools.create_user_pool(PoolName="rotated")["UserPool"]["Id"]
    before = server.ask(f"/{pool}/.well-known/jwks.json")["keys"]
    kid = server.ask("/_forecourt/pools/rotate-key", {"pool_id": pool})["kid"]
    after = [key["kid"] for key in server.ask(f"/{pool}/.well-known/jwks.json")["keys"]]
    assert kid in after
    assert kid not in [key["kid"] for key in before]
    status, answer = ask(server, "POST", "/_forecourt/pools/rotate-key", '{"pool_id": "us-east-1_None"}')
    assert (status, answer["code"]) == (400, "ResourceNotFoundException")
