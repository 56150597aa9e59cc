"""From a file to what the core is told."""

import re
from pathlib import Path
from typing import Any

import pytest
from penstock.domain.errors import Code, PenstockError, Side
from penstock.egress.load import Overrides, compile_default, compile_file
from penstock.egress.part import Folder

EXAMPLE = Path(__file__).parents[3] / "deploy" / "egress" / "egress.toml"
HASH = "sha256:" + "ab" * 32


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "egress.toml"


def compiled(
    path: Path, text: str, listen: str | None = None, admin_listen: str | None = None
) -> dict[str, Any]:
    path.write_text(text)
    return compile_file(path, Overrides(listen, admin_listen), Folder(path.parent))


def refusal(path: Path, text: str, listen: str | None = None) -> str:
    with pytest.raises(PenstockError) as caught:
        compiled(path, text, listen)
    assert (caught.value.code, caught.value.side) == (Code.MALFORMED, Side.GATEWAY)
    assert caught.value.hint
    return f"{caught.value.message} | {caught.value.hint}"


def test_three_lines_are_a_proxy(written: Path) -> None:
    shape = compiled(written, 'listen = "127.0.0.1:3128"\n[[rule]]\nallow = ["*.example.com"]\n')
    (port,) = shape["listeners"]
    assert (port["address"], port["connect"], port["tls"]) == ("127.0.0.1:3128", False, None)
    (profile,) = shape["profiles"]
    assert (profile["name"], profile["principals"]) == ("everybody", ["*"])
    (rule,) = profile["rules"]
    assert (rule["name"], rule["action"], rule["domains"]) == ("rule-1", "allow", ["*.example.com"])
    assert shape["default_action"] == "deny"
    assert shape["callers"] == {"anonymous": True, "realm": "penstock", "list": []}


def test_without_rules_this_machine_may_reach_public_addresses(written: Path) -> None:
    shape = compiled(written, "anonymous = true")
    assert shape["listeners"][0]["address"] == "127.0.0.1:3128"
    assert shape["default_action"] == "allow" and shape["profiles"] == []
    assert shape["guard"] == {"allow": [], "deny": []}


def test_without_a_file_tunnels_to_443_are_open_to_this_machine() -> None:
    shape = compile_default(Overrides(admin_listen="127.0.0.1:19000"))
    assert shape["listeners"][0]["connect"] and shape["callers"]["anonymous"]
    assert shape["connect"]["ports"] == [{"first": 443, "last": 443}]
    assert shape["admin_listen"] == "127.0.0.1:19000"


def test_without_a_file_no_other_machine_is_let_in() -> None:
    with pytest.raises(PenstockError, match="anybody there"):
        compile_default(Overrides(listen="0.0.0.0:3128"))


def test_the_example_says_everything(tmp_path: Path) -> None:
    shape = compile_file(EXAMPLE, Overrides(), Folder(EXAMPLE.parent))
    assert [profile["name"] for profile in shape["profiles"]] == ["build", "servers", "everybody"]
    assert [route["name"] for route in shape["routes"]][-1] == "everything"
    assert shape["routes"][3]["act"]["host"]["body_bytes"] == 65_536
    assert shape["dns"]["resolvers"][0] == {
        "address": "9.9.9.9:853",
        "transport": "tls",
        "tls_name": "dns.quad9.net",
    }
    assert shape["breakers"]["overall"]["retry_budget"] == {"percent": 20, "min_concurrency": 3}
    assert shape["callers"]["list"][0]["expires_at"] == 1_893_456_000


def test_what_the_example_shows_as_defaults_are_the_defaults(written: Path) -> None:
    """Lines such as `# host_ttl = "5m"` below a table change nothing when they are written."""
    text = EXAMPLE.read_text()
    skipped = (
        "resources",
        "path",
        "roots",
        "address",
        "name =",
        "connect =",
        "proxy_protocol",
        "cert",
        "key",
        "client_ca",
    )
    uncommented = re.sub(
        r"(?m)^# (\w+ = .*)$", lambda found: found[0] if found[1].startswith(skipped) else found[1], text
    )
    assert uncommented.count("\n# ") < text.count("\n# ") - 35
    assert compiled(written, uncommented) == compile_file(EXAMPLE, Overrides(), Folder(EXAMPLE.parent))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'listen = "127.0.0.1:1"\n[dns]\nmax_host = 1\n',
            r":3: dns.max_host is not known \| did you mean max_hosts\?",
        ),
        (
            '[[rule]]\nallow = "x"\n[[rule]]\nallow = "https://x/"\n',
            r":4: rule\[1\].allow\[0\]: .*without scheme",
        ),
        ("[[rule]]\nname = 'x'\n", r":1: rule\[0\]: a rule has either allow or deny"),
        ("[timeouts]\n\nconnect = 5\n", r":3: timeouts.connect: 5 is not a duration, for example"),
        ("listen = [\n", r":1: this is not TOML: Invalid value \(at end"),
        ("[dns]\nx y\n", r":2: this is not TOML: .*'='.* \| write key = value"),
        ("[limits]\nstreams = true\n", r":2: limits.streams: Input should be a valid integer"),
        ('[[profile]]\nname = "a"\n[[profile.rule]]\nallow = "*"\n', r":1: profile\[0\]: a profile names"),
        (
            '[[route]]\ndeny = "x"\nupstream = "http://a"\n',
            r":1: route\[0\]: a route that denies does nothing",
        ),
        ('[[route]]\nupstream = "ftp://a"\n', r":2: route\[0\].upstream: 'ftp://a' is not http"),
        ("[[route]]\nheaders = { x = 5 }\n", r":2: route\[0\].headers: the header 'x' wants a text"),
        ('[dns]\nresolvers = "tls://9.9.9.9"\n', r":2: dns.resolvers\[0\]: .*names its certificate"),
        ('[[rule]]\ndeny = "*"\ntunnel = "1h"\n', r":1: rule\[0\]: rates, budgets and tunnel are for"),
        (
            '[[rule]]\nname = "a"\nallow = "a"\n[[rule]]\nname = "a"\nallow = "b"\n',
            r"two of rule are called 'a'",
        ),
        ('[caller."a:b"]\n', r":1: caller.a:b: .* cannot be a name"),
    ],
)
def test_a_fault_is_told_with_line_key_and_reason(written: Path, text: str, said: str) -> None:
    assert re.search(said, refusal(written, text))


def test_other_faults_are_counted(written: Path) -> None:
    said = refusal(written, "[dns]\nx = 1\ny = 2\n[guard]\nallow = '10.0.0.1/8'\n")
    assert "egress.toml:2: dns.x" in said and "and 2 more: line 3, line 5" in said


def test_a_key_in_clear_is_refused_and_not_repeated(written: Path) -> None:
    said = refusal(written, '[caller.ci]\nkeys = "pse_abcdef"\n')
    assert "penstock egress key" in said and "pse_abcdef" not in said


def test_a_port_that_others_reach_wants_callers(written: Path) -> None:
    said = refusal(written, '\nlisten = "0.0.0.0:3128"\n')
    assert "egress.toml:2" in said and "anonymous = true" in said
    assert compiled(written, 'anonymous = true\nlisten = "0.0.0.0:3128"')["callers"]["anonymous"]
    shape = compiled(written, f'listen = "0.0.0.0:3128"\n[caller.ci]\nkeys = "{HASH}"\n')
    assert not shape["callers"]["anonymous"]
    assert shape["callers"]["list"][0]["keys"] == ["ab" * 32]


def test_the_environment_stands_above_the_file(written: Path) -> None:
    shape = compiled(written, 'listen = "127.0.0.1:1"', listen="127.0.0.1:2", admin_listen="127.0.0.1:3")
    assert shape["listeners"][0]["address"] == "127.0.0.1:2" and shape["admin_listen"] == "127.0.0.1:3"
    assert "no caller is listed" in refusal(written, "[dns]", listen="0.0.0.0:3128")
    assert "several ports" in refusal(
        written, 'listen = ["127.0.0.1:1", "127.0.0.1:2"]', listen="127.0.0.1:2"
    )


def test_certificates_are_read_beside_the_file(written: Path) -> None:
    pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
    for name in ("a.crt", "a.key"):
        (written.parent / name).write_text(pem)
    text = '[[listener]]\naddress = "127.0.0.1:0"\n[listener.tls]\ncert = "a.crt"\nkey = "a.key"\n'
    written.write_text(text)
    folder = Folder(written.parent)
    result = compile_file(written, Overrides(), folder)
    assert result["listeners"][0]["tls"]["cert_pem"] == pem
    assert list(folder.read) == [written, written.parent / "a.crt", written.parent / "a.key"]
    said = refusal(written, text.replace("a.key", "none.key"))
    assert "egress.toml:5: listener[0].tls.key: the file" in said and "No such file" in said


@pytest.mark.parametrize("text", ["", "\n# nothing\n"])
def test_an_empty_file_opens_nothing(written: Path, text: str) -> None:
    assert "egress.toml is empty" in refusal(written, text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match=r"cannot read .*none\.toml: No such file"):
        compile_file(tmp_path / "none.toml", Overrides(), Folder(tmp_path))


def test_a_file_that_is_no_text_is_refused_at_its_line(written: Path) -> None:
    written.write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(PenstockError, match=r"egress\.toml:2: this is not UTF-8"):
        compile_file(written, Overrides(), Folder(written.parent))


def test_in_the_gateway_callers_are_its_own(written: Path) -> None:
    written.write_text('[[rule]]\nallow = "*"\n')
    shape = compile_file(written, Overrides("0.0.0.0:3128", gateway=True), Folder(written.parent))
    assert shape["callers"] == {"anonymous": False, "realm": "penstock", "list": []}
    assert shape["listeners"][0]["address"] == "0.0.0.0:3128"
    for text in (
        f'[[rule]]\nallow = "*"\n[caller.ci]\nkeys = "{HASH}"\n',
        '\n\nadmin_listen = "127.0.0.1:1"\n',
    ):
        written.write_text(text)
        with pytest.raises(PenstockError, match=r"egress\.toml:3: .* is for a forward proxy on its own"):
            compile_file(written, Overrides("0.0.0.0:3128", gateway=True), Folder(written.parent))
    shape = compile_default(Overrides("0.0.0.0:3128", gateway=True))
    assert not shape["callers"]["anonymous"] and shape["listeners"][0]["connect"]
