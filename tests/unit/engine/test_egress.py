"""What the core says of compiled configurations: both sides mean the same."""

from pathlib import Path
from typing import Any

import pytest
from penstock.domain.errors import Code, PenstockError
from penstock.egress.load import Overrides
from penstock.egress.source import Source
from penstock.engine.egress import Egress, check

from tests.unit.egress.resources.documents import (
    BREAKERS,
    BY_HEADER,
    ENABLED,
    TUNNEL_GATEWAY,
    TUNNELS,
    together,
)

EXAMPLE = Path(__file__).parents[3] / "deploy" / "egress" / "egress.toml"


def compiled(path: Path | None) -> dict[str, Any]:
    return Source(path, Overrides(), check).compile()


def test_the_core_takes_what_is_compiled(tmp_path: Path) -> None:
    for name, documents in (("a", (ENABLED, BY_HEADER)), ("b", (TUNNEL_GATEWAY, TUNNELS, BREAKERS))):
        (tmp_path / f"{name}.yaml").write_text(together(*documents))
        compiled(tmp_path / f"{name}.yaml")
    compiled(EXAMPLE)
    check(compiled(None))


def test_it_explains_which_rule_decides() -> None:
    proxy = Egress(compiled(EXAMPLE))
    allowed = proxy.explain({"as": "ci", "url": "https://pypi.org/", "method": "CONNECT"})
    assert (allowed["verdict"], allowed["rule"]) == ("allow", "build/packages")
    inside = {"as": "backup", "url": "http://intranet.example.com:8080/"}
    assert proxy.explain(inside)["verdict"] == "depends"
    assert proxy.explain({**inside, "addresses": ["10.1.2.3"]})["rule"] == "servers/inside"
    assert proxy.explain({**inside, "addresses": ["10.2.2.3"]})["verdict"] == "deny"
    with pytest.raises(PenstockError):
        proxy.explain({"url": "http://user@host/"})


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (
            '[[rule]]\nallow = "*"\n\n[[rule]]\nallow = "*"\npaths = { regex = "(" }\n',
            4,
            "regular expression",
        ),
        ('anonymous = true\n[[route]]\nheaders = { a = { regex = "[" } }\n', 2, "regular expression"),
        ('[[route]]\n\n[[route]]\nhost = "a b"\n', 3, "is not a host name"),
        ('[[route]]\nhost_template = "{{ a }}"\n', 1, "names a field of the body"),
        (
            '[[profile]]\nname = "p"\ngroups = "g"\n[[profile.rule]]\nallow = "*"\npaths = { regex = "(" }\n',
            4,
            "regex",
        ),
    ],
)
def test_what_the_core_refuses_is_found_in_the_file(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = tmp_path / "egress.toml"
    path.write_text(text)
    with pytest.raises(PenstockError) as caught:
        compiled(path)
    assert caught.value.code is Code.MALFORMED
    assert caught.value.message.startswith(f"{path}:{line}: ") and said in caught.value.message


def test_what_is_not_running_says_so() -> None:
    proxy = Egress(compiled(None))
    with pytest.raises(PenstockError, match="not running"):
        proxy.stats()
    proxy.shutdown(0)


def test_it_starts_and_takes_another_configuration(tmp_path: Path) -> None:
    path = tmp_path / "egress.toml"
    path.write_text('listen = "127.0.0.1:0"\nadmin_listen = "127.0.0.1:0"\naccess_log = { path = "log" }\n')
    proxy = Egress(compiled(path))
    bound = proxy.start()
    try:
        assert len(bound.listeners) == 1 and bound.admin is not None
        path.write_text(path.read_text() + '[[rule]]\ndeny = "*"\n')
        proxy.reconfigure(compiled(path))
        assert proxy.explain({"url": "http://example.com/"})["verdict"] == "deny"
        assert proxy.stats()["dns_cache.egress.num_hosts"] == 0
    finally:
        proxy.shutdown(0)
    assert (tmp_path / "log").read_text() == ""
