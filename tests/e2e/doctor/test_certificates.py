"""What the doctor says of certificates, by a balancer that shows them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.e2e.doctor.conftest import Mislead
from tests.e2e.stack.certificates import self_signed
from tests.e2e.stack.cli import Cli
from tests.e2e.stack.examined import Subject
from tests.e2e.stack.pki import Pki
from tests.e2e.stack.processes import Processes
from tests.e2e.stack.stack import AGENT, Stack

_CONFIG = """
    listen 127.0.0.1:$port ssl;
    http2 on;
    location / { client_max_body_size 0; grpc_pass grpcs://127.0.0.1:$grpc; }
"""


def test_a_wrong_name(mislead: Mislead, subject: Subject, pki: Pki) -> None:
    misled = mislead(pki.issue("elsewhere", "--server", "--san", "elsewhere.example"))
    misled.nginx(_CONFIG)

    found = subject.examine(subject.key(misled.port))

    assert (found.failed, found.diagnosis("tls")) == (["tls"], "wrong-certificate-name")
    assert "elsewhere.example" in found.checks["tls"]["detail"]
    assert found.checks["credential"]["status"] == "not-run"
    named = subject.examine(subject.key(misled.port), TLS_SERVER_NAME="elsewhere.example")
    assert named.code == 0, named


def test_an_unknown_ca(mislead: Mislead, subject: Subject) -> None:
    misled = mislead()
    misled.nginx(_CONFIG)

    found = subject.examine(subject.key(misled.port), TLS_CA="")

    assert (found.failed, found.diagnosis("tls")) == (["tls"], "unknown-ca")


def test_an_expired_certificate(mislead: Mislead, subject: Subject, pki: Pki) -> None:
    misled = mislead(pki.expired("late"))
    misled.nginx(_CONFIG)

    found = subject.examine(subject.key(misled.port))

    assert (found.failed, found.diagnosis("tls")) == (["tls"], "expired-certificate")


def test_a_certificate_that_ends_soon_is_a_warning(mislead: Mislead, subject: Subject, pki: Pki) -> None:
    misled = mislead(pki.issue("brief", "--server", "--san", "localhost", "--days", "2"))
    misled.nginx(_CONFIG)

    found = subject.examine(subject.key(misled.port))

    assert (found.code, found.diagnosis("tls")) == (0, "certificate-ends-soon"), found
    assert found.checks["message"]["status"] == "ok"


def test_a_certificate_that_is_its_own_ca(mislead: Mislead, subject: Subject, tmp_path: Path) -> None:
    issued = self_signed(tmp_path, "localhost")
    misled = mislead(issued)
    misled.nginx(_CONFIG)

    found = subject.examine(subject.key(misled.port), TLS_CA=str(issued.ca))

    assert (found.failed, found.diagnosis("tls")) == (["tls"], "self-signed-certificate")


def test_an_intercepting_proxy(mislead: Mislead, subject: Subject, stack: Stack, root: Path) -> None:
    with Processes(root / "interceptor" / "logs") as processes:
        company = Pki(Cli(root / "interceptor" / "home", processes)).server("inspection")
    misled = mislead(company)
    misled.nginx(_CONFIG)
    (pin,) = parse_qs(urlsplit(stack.keys[AGENT]).query)["ca"]

    found = subject.examine(subject.key(misled.port, pin=pin), TLS_CA="")

    assert (found.failed, found.diagnosis("tls")) == (["tls"], "intercepting-proxy")
    assert found.checks["tls"]["detail"].count("issued by") == 1
