"""Errors of the core."""

import json

import pytest
from penstock._core import CoreError  # noqa: TID251 - what the façade turns into ours
from penstock.domain.errors import Code, PenstockError, Side
from penstock.engine.errors import core_errors, parse_error


def test_a_core_error_keeps_all_it_says() -> None:
    shape = {"code": "agent-offline", "side": "agent", "message": "no link", "hint": "start it"}
    with pytest.raises(PenstockError) as raised, core_errors():
        raise CoreError(json.dumps(shape))
    assert raised.value.as_json() == shape
    assert isinstance(raised.value.__cause__, CoreError)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"code":"new","side":"agent","message":""}'])
def test_what_cannot_be_read_is_a_fault_of_ours(text: str) -> None:
    assert (parse_error(text).code, parse_error(text).side) == (Code.INTERNAL, Side.GATEWAY)
