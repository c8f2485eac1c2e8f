"""What request validation says of a body: `schema_cases.txt`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from forecourt.services.apigateway.plan.json_schema import compile_schema


def read_cases() -> dict[str, str]:
    text = re.sub(r"(?m)^# .*\n", "", Path(__file__).with_name("schema_cases.txt").read_text())
    sections = (section.partition("\n") for section in re.split(r"(?m)^## ", text)[1:])
    return {title: case for title, _, case in sections}


CASES = read_cases()


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    schema, _, documents = (part.strip() for part in CASES[name].partition("----"))
    check = compile_schema(schema, {})
    assert check is not None
    for line in documents.splitlines():
        document, _, expected = line.partition(" -> ")
        said = ", ".join(check(json.loads(document), 1.0)) or "ok"
        assert f"{document} -> {said}" == f"{document} -> {expected}"
