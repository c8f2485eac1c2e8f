"""ARNs, page tokens, identifiers, errors and the table of operations."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecourt.base.arn import Arn
from forecourt.base.call import CallContext, operation, operations
from forecourt.base.errors import RemoteError, ServiceError
from forecourt.base.ids import Ids
from forecourt.base.paging import decode_token, encode_token


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:lambda:us-east-1:000000000000:function:pets:1",
        "arn:aws:iam::000000000000:role/service/r",
        "arn:aws:s3:::bucket/a:b/c",
        "arn:aws-cn:states:cn-north-1:111122223333:stateMachine:m",
    ],
)
def test_an_arn_survives_parsing(text: str) -> None:
    assert str(Arn.parse(text)) == text


@pytest.mark.parametrize("text", ["", "arn", "arn:aws:s3", "aws:arn:s3:::x", "arn:aws::r:a:x", "arn:aws:s3:::"])
def test_what_is_not_an_arn_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an ARN"):
        Arn.parse(text)


@given(st.lists(st.text(), max_size=5))
def test_a_page_token_keeps_its_position(position: list[str]) -> None:
    assert decode_token(encode_token(position)) == tuple(position)


@given(st.text(max_size=40))
def test_a_strangers_page_token_is_a_value_error_at_most(token: str) -> None:
    try:
        decode_token(token)
    except ValueError as error:
        assert "page token" in str(error)  # noqa: PT017


def test_seeded_ids_repeat_and_unseeded_ones_do_not() -> None:
    assert Ids(7).uuid() == Ids(7).uuid()
    assert Ids().uuid() != Ids().uuid()
    assert len(Ids().lower(10)) == 10


def test_a_uuid_is_one_of_version_4() -> None:
    for _ in range(100):
        made = uuid.UUID(text := Ids().uuid())
        assert (made.version, made.variant, str(made)) == (4, uuid.RFC_4122, text)


def test_an_errors_identity_is_its_class() -> None:
    class NotFoundException(ServiceError):
        status = 404

    error = NotFoundException("no such thing", resource="r")
    assert (error.code, error.status, error.message, error.members) == (
        "NotFoundException",
        404,
        "no such thing",
        {"resource": "r"},
    )
    assert RemoteError("X", "m", 418).status == 418


def test_operations_are_found_by_their_aws_name() -> None:
    class Pets:
        @operation("ListPets")
        async def list_pets(self, context: CallContext, request: dict[str, Any]) -> dict[str, Any]:
            return request

    assert set(operations(Pets())) == {"ListPets"}
    with pytest.raises(ValueError, match="ListPets"):
        operations(Pets(), Pets())
