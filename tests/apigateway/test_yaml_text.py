"""YAML as documents are read and written in."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from forecourt.services.apigateway.openapi.yaml_text import read_yaml, write_yaml

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)


@given(documents)
def test_what_is_written_is_read_again(document: Any) -> None:
    text = write_yaml(document)
    assert read_yaml(text) == document
    assert yaml.safe_load(text) == document


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("a: 1\nb: [x, 'y', \"z\\n\"]\n", {"a": 1, "b": ["x", "y", "z\n"]}),
        ("200: ok\ntrue: yes\n1.5: x\n~: n", {"200": "ok", "true": True, "1.5": "x", "null": "n"}),
        ("version: 2024-01-31", {"version": "2024-01-31"}),
        ("a: |\n  one\n  two\nb: >-\n  folded\n  text\n", {"a": "one\ntwo\n", "b": "folded text"}),
        ("a: {b: {c: []}, d: null}", {"a": {"b": {"c": []}, "d": None}}),
        ("a: !!str 12\nc: !!int '3'", {"a": "12", "c": 3}),
        ("- a\n- - b\n  - c\n", ["a", ["b", "c"]]),
        ("a: &x 1", {"a": 1}),
        ("a: 1\na: 2", {"a": 2}),
        ("", None),
        ("--- text", "text"),
    ],
)
def test_reading(text: str, document: Any) -> None:
    assert read_yaml(text) == document


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: *x",
        "a: !Sub ${x}",
        "a: !!binary aGk=",
        "a: !!set {x}",
        "a: !!timestamp 2024-01-31",
        "? [1, 2]\n: x",
        "a: 1\n--- \nb: 2",
        "[" * 1000,
        "a: [",
        "\t- x",
    ],
    ids=["alias", "tag", "binary", "set", "date", "key", "two documents", "deep", "open", "tab"],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises((ValueError, yaml.YAMLError)):
        read_yaml(text)
