"""The catalogue is the core's."""

import re
from pathlib import Path

from penstock.domain.errors import STATUS, TITLE, Code, PenstockError, Side

RUST = Path(__file__).parents[3] / "crates" / "domain" / "src" / "error.rs"


def _variants(enum: str) -> list[str]:
    body = re.search(rf"pub enum {enum} \{{(.*?)\n\}}", RUST.read_text(), re.DOTALL)
    assert body is not None
    names = re.findall(r"^    (\w+),$", body.group(1), re.MULTILINE)
    return [re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower() for name in names]


def _map(function: str) -> dict[str, str]:
    source = re.search(rf"const fn {function}\(self\).*?\{{(.*?)\n    \}}", RUST.read_text(), re.DOTALL)
    assert source is not None
    arms = re.findall(r"((?:Self::\w+(?:\s*\|\s*)?)+)\s*=>\s*(.+?),\n", source.group(1))
    return {
        re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower(): value.strip('"')
        for names, value in arms
        for name in re.findall(r"Self::(\w+)", names)
    }


def test_codes_and_sides_are_those_of_the_core() -> None:
    assert _variants("Code") == [str(code) for code in Code]
    assert _variants("Side") == [str(side) for side in Side]


def test_every_code_has_the_status_and_the_title_of_the_core() -> None:
    assert {str(code): str(status) for code, status in STATUS.items()} == _map("http_status")
    assert {str(code): title for code, title in TITLE.items()} == _map("title")


def test_an_error_travels_as_the_core_reads_it() -> None:
    bare = PenstockError(Code.LOST, Side.AGENT, "gone")
    assert bare.as_json() == {"code": "lost", "side": "agent", "message": "gone"}
    hinted = PenstockError(Code.LOST, Side.AGENT, "gone", hint="look")
    assert hinted.as_json()["hint"] == "look"
    assert str(hinted) == "gone"
