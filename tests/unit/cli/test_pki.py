"""Certificates from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.unit.cli.conftest import Shell


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
