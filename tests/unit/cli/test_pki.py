"""Certificates from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.unit.cli.conftest import Shell

AT = "2026-01-01T00:00:00Z"


def test_init_says_where_and_changes_nothing_the_second_time(shell: Shell) -> None:
    path = shell.home / "pki" / "ca.pem"
    made = shell("pki", "init")
    assert (made.code, str(path) in made.out) == (0, True)
    before = path.read_bytes()
    again = shell("pki", "init")
    assert (again.code, "Nothing was changed" in again.out) == (0, True)
    assert path.read_bytes() == before
    answer = shell("pki", "init", "-o", "json").json
    assert (answer["created"], answer["ca"]) == (False, str(path))
    assert answer["ca_pin"] in made.out


def test_issue_tells_how_to_use_it(shell: Shell) -> None:
    shell("pki", "init")
    result = shell("pki", "issue", "office")
    cert = shell.home / "pki" / "peers" / "office.pem"
    assert (result.code, "no authority" in result.err) == (0, False)
    assert f"TLS_CERT={cert} TLS_KEY={cert.with_suffix('.key')} penstock start agent" in result.out
    assert "PENSTOCK_KEY='tls://HOST:8443?ca=sha256:" in result.out


def test_issue_makes_the_authority_at_first_use_and_says_so(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    result = shell(
        "pki", "issue", "edge.example", "--server", "--san", "10.0.0.7", "--days", "2", "--dir", str(folder),
        "-o", "json",
    )  # fmt: skip
    assert "no authority" in result.err
    answer = result.json
    assert (answer["server"], answer["cert"]) == (True, str(folder / "edge.example.pem"))
    leaf = x509.load_pem_x509_certificate(Path(answer["cert"]).read_bytes())
    assert leaf.fingerprint(hashes.SHA256()).hex() == answer["fingerprint"]
    assert Path(answer["key"]).stat().st_mode & 0o777 == 0o600
    assert Path(answer["ca"]).is_file()


def test_what_exists_is_not_overwritten(shell: Shell) -> None:
    assert shell("pki", "issue", "office").code == 0
    problem = shell("pki", "issue", "office", "-o", "json")
    assert (problem.code, "--dir" in problem.err) == (1, True)


@pytest.mark.parametrize("arguments", [("a", "--days", "0"), ("a", "--days", "x"), ()])
def test_what_is_asked_wrongly_is_a_usage_error(shell: Shell, arguments: tuple[str, ...]) -> None:
    assert shell("pki", "issue", *arguments).code == 2


def test_names_that_cannot_be_one_are_refused(shell: Shell) -> None:
    result = shell("pki", "issue", "../office")
    assert (result.code, "cannot be the name" in result.err) == (1, True)
    assert not (shell.home / "pki").exists()


def _issued(shell: Shell, name: str, *arguments: str) -> Any:
    return shell("pki", "issue", name, *arguments, "-o", "json").json


def _revocations(shell: Shell) -> list[Any]:
    return shell.gateway.bodies("POST /certificates")


def _echo(request: httpx.Request) -> httpx.Response:
    return httpx.Response(201, json=json.loads(request.content))


def test_revoke_finds_what_is_meant(signed_in: Shell, tmp_path: Path) -> None:
    signed_in.gateway.answers["POST /certificates"] = _echo
    first = _issued(signed_in, "office")
    second = _issued(signed_in, "office", "--dir", str(tmp_path / "again"))
    other = _issued(signed_in, "other")
    prints = {first["fingerprint"], second["fingerprint"]}
    result = signed_in("pki", "revoke", "office", "--reason", "lost")
    assert (result.code, result.out.count("Revoked office")) == (0, 2)
    assert {body["fingerprint"] for body in _revocations(signed_in)} == prints
    assert {(body["name"], body["reason"]) for body in _revocations(signed_in)} == {("office", "lost")}
    for which in (other["cert"], other["fingerprint"], f"sha256:{other['fingerprint'].upper()}"):
        assert signed_in("pki", "revoke", which, "-o", "json").json == [
            {"fingerprint": other["fingerprint"], "name": "other", "reason": ""}
        ]
    assert signed_in("pki", "revoke", "0f" * 32, "-o", "json").json[0]["name"] is None


def test_revoke_refuses_what_nobody_issued(signed_in: Shell) -> None:
    result = signed_in("pki", "revoke", "nobody")
    assert (result.code, "hint: " in result.err) == (1, True)
    assert _revocations(signed_in) == []


def test_list_joins_what_was_issued_with_what_is_revoked(signed_in: Shell) -> None:
    signed_in.gateway.answers["GET /certificates"] = []
    assert signed_in("pki", "list").out == "There is no certificate yet.\n"
    valid, revoked = _issued(signed_in, "a"), _issued(signed_in, "b")
    signed_in.gateway.answers["GET /certificates"] = [
        {"fingerprint": fingerprint, "name": name, "reason": "lost", "revoked_at": AT, "revoked_by": "ann"}
        for fingerprint, name in ((revoked["fingerprint"], "b"), ("0f" * 32, None))
    ]
    found = signed_in("pki", "list", "-o", "json").json
    assert [(item["fingerprint"], item["status"]) for item in found] == [
        (valid["fingerprint"], "valid"),
        (revoked["fingerprint"], "revoked"),
        ("0f" * 32, "revoked"),
    ]
    table = signed_in("pki", "list").out
    assert "lost" in table and valid["fingerprint"] in table


def test_revoke_and_list_need_a_login(shell: Shell) -> None:
    for arguments in (("list",), ("revoke", "0f" * 32)):
        assert "penstock login" in shell("pki", *arguments).err


def test_an_agent_may_have_certificates_of_other_names(signed_in: Shell) -> None:
    signed_in.gateway.answers["POST /agents"] = {"name": "office", "key": "grpcs://office:s@gw.test:8010"}
    arguments = ("--certificate-name", "a", "--certificate-name", "b")
    assert signed_in("admin", "create", "agent", "office", *arguments).code == 0
    assert signed_in.gateway.bodies("POST /agents") == [{"name": "office", "certificate_names": ["a", "b"]}]
