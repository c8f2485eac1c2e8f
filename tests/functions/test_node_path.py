"""Packages of Forecourt's own NODE_PATH: what AWS's Node runtime brings along."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

from forecourt.testing import Forecourt

_SOURCE = "exports.handler = async () => require('@aws-sdk/client-made-up').name\n"


def _zipped() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("index.js", _SOURCE)
    return data.getvalue()


def test_a_node_function_finds_what_forecourts_node_path_has(tmp_path: Path) -> None:
    package = tmp_path / "@aws-sdk" / "client-made-up"
    package.mkdir(parents=True)
    (package / "index.js").write_text("exports.name = 'found'\n")
    with Forecourt(environment={"NODE_PATH": str(tmp_path)}) as server:
        client = server.client("lambda")
        role = "arn:aws:iam::000000000000:role/made-up"
        client.create_function(
            FunctionName="finds", Runtime="nodejs20.x", Role=role, Handler="index.handler", Code={"ZipFile": _zipped()}
        )
        assert json.loads(client.invoke(FunctionName="finds")["Payload"].read()) == "found"
