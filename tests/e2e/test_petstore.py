"""The sample application: deployed twice, called, killed, and called again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from forecourt.testing import Forecourt

DEPLOY = Path(__file__).parents[2] / "examples" / "petstore" / "deploy.py"


def deploy(server: Forecourt) -> str:
    """Runs the script as a newcomer would. Returns the URL that it prints."""
    environment = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": server.url}
    done = subprocess.run([sys.executable, str(DEPLOY)], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = re.search(r"The pet store is at (\S+)", done.stdout)
    assert found, done.stdout
    return found[1]


def ask(url: str, content: Any = None) -> Any:
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_the_pet_store(tmp_path: Path) -> None:
    """In a folder that is named as `make start` names it, from where it is, and with a space."""
    server = Forecourt(data=Path(os.path.relpath(tmp_path / "the data")))
    with server:
        store = deploy(server)
        pet = ask(f"{store}/pets", {"name": "Rex", "type": "dog", "price": 249.99})
        assert ask(f"{store}/pets/{pet['id']}") == pet
        assert ask(f"{store}/hello/world") == {"message": "Hello, world!"}
        assert ask(f"{store}/health")["status"] == "running"
        server.kill()
        server.start()
        assert ask(f"{store}/pets") == [pet]
        assert deploy(server) == store
        assert ask(f"{store}/pets") == [pet]
