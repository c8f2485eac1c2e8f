"""SIGKILL under load: whatever was acknowledged is there after the next start, and deployed APIs serve at once."""

from __future__ import annotations

import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from forecourt.testing import Forecourt


def deploy_mock(apis: Any, name: str) -> str:
    """A deployed API with `GET /` answering 200 by a MOCK integration. Returns its id."""
    api_id: str = apis.create_rest_api(name=name)["id"]
    root = apis.get_resources(restApiId=api_id)["items"][0]["id"]
    method = {"restApiId": api_id, "resourceId": root, "httpMethod": "GET"}
    apis.put_method(**method, authorizationType="NONE")
    apis.put_method_response(**method, statusCode="200")
    apis.put_integration(**method, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    apis.put_integration_response(**method, statusCode="200", responseTemplates={"application/json": f'"{name}"'})
    apis.create_deployment(restApiId=api_id, stageName="dev")
    return api_id


class Load:
    """Threads that create APIs until the server is gone; `acknowledged` holds the ids that were answered."""

    def __init__(self, server: Forecourt, workers: int) -> None:
        self.acknowledged: dict[str, str] = {}
        self.deployed: dict[str, str] = {}
        self._threads = [threading.Thread(target=self._work, args=(server, n)) for n in range(workers)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(30)

    def wait_for_the_first(self) -> None:
        """However busy the machine is."""
        deadline = time.monotonic() + 30
        while not (self.acknowledged and self.deployed):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _work(self, server: Forecourt, worker: int) -> None:
        from botocore.config import Config

        apis = server.client("apigateway", config=Config(retries={"total_max_attempts": 1}))
        for number in range(10_000):
            name = f"load-{worker}-{number}"
            try:
                if number % 5 == 0:
                    self.deployed[deploy_mock(apis, name)] = name
                else:
                    self.acknowledged[apis.create_rest_api(name=name)["id"]] = name
            except (BotoCoreError, ClientError):
                return


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    server = Forecourt(data=tmp_path)
    server.start()
    load = Load(server, workers=3)
    for seconds in (0.4, 0.9):
        load = Load(server, workers=3)
        load.start()
        load.wait_for_the_first()
        time.sleep(seconds)
        server.kill()
        load.join()
        server.start()
        apis = server.client("apigateway")
        for api_id, name in {**load.acknowledged, **load.deployed}.items():
            assert apis.get_rest_api(restApiId=api_id)["name"] == name
        for api_id, name in load.deployed.items():
            with urllib.request.urlopen(f"{server.url}/_aws/execute-api/{api_id}/dev/", timeout=5) as answer:
                assert answer.read().decode() == f'"{name}"'
    server.stop()
