"""Which gateway to believe, against real TLS."""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import click
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from penstock.cli.client import client
from penstock.cli.config import Config
from penstock.cli.errors import Refusal
from penstock.cli.state import State
from penstock.cli.trust import Ask, Trust, normalised, pin_of

DAY = timedelta(days=1)
Serve = Callable[["Authority", str], str]


class Authority:
    """A CA."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        self.certificate = self._build(name, name, self.key, ca=True, san=None)
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.pin = "sha256:" + self.certificate.fingerprint(hashes.SHA256()).hex()

    def issue(self, folder: Path, address: str) -> Path:
        """A server's certificate and key in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
        san = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        leaf = self._build(name, self.certificate.subject, key, ca=False, san=san)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = folder / f"{address}.pem"
        file.write_bytes(secret + leaf.public_bytes(serialization.Encoding.PEM) + self.pem.encode())
        return file

    def _build(
        self,
        name: x509.Name,
        issuer: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        ca: bool,
        san: x509.SubjectAlternativeName | None,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
        )
        if san:
            builder = builder.add_extension(san, critical=False)
        else:
            usage = x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            )
            builder = builder.add_extension(usage, critical=True)
        return builder.sign(self.key, hashes.SHA256())


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serves /api/serverinfo and /api/ca over TLS; returns the URL."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(authority: Authority, address: str = "127.0.0.1") -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = self.path == "/api/ca"
                body = authority.pem if found else json.dumps({"version": "1", "grpc_url": "grpcs://x"})
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """The name is the base class's; a test's server has nothing to log."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.issue(tmp_path, address))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"https://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def trust(home: Path, known: Config | None = None, ask: Ask | None = None) -> Trust:
    return Trust(home, known or Config(), ask=ask)


def never(_question: str) -> bool:
    raise AssertionError("nobody was to be asked")


def test_the_right_pin_is_enough(tmp_path: Path, serve: Serve) -> None:
    authority = Authority()
    url = serve(authority, "127.0.0.1")
    api, pin, file = trust(tmp_path / "home", ask=never).establish(url, authority.pin)
    with api:
        assert api.get("serverinfo")["version"] == "1"
    assert pin == authority.pin
    assert Path(file).read_text() == authority.pem


def test_another_pin_is_refused(tmp_path: Path, serve: Serve) -> None:
    url = serve(Authority(), "127.0.0.1")
    with pytest.raises(Refusal, match="not the sha256:0000"):
        trust(tmp_path, ask=never).establish(url, "sha256:" + "0" * 64)
    assert not (tmp_path / "gateway-ca.pem").exists()


def test_somebody_is_shown_the_fingerprint_and_decides(tmp_path: Path, serve: Serve) -> None:
    authority = Authority()
    url = serve(authority, "127.0.0.1")
    questions: list[str] = []

    def answer(yes: bool) -> Ask:
        def asked(question: str) -> bool:
            questions.append(question)
            return yes

        return asked

    with pytest.raises(Refusal, match="was not trusted"):
        trust(tmp_path, ask=answer(False)).establish(url, None)
    _api, pin, _file = trust(tmp_path, ask=answer(True)).establish(url, None)
    assert pin == authority.pin
    assert all(authority.pin in question for question in questions)


def test_a_known_ca_asks_nobody(tmp_path: Path, serve: Serve) -> None:
    authority = Authority()
    url = serve(authority, "127.0.0.1")
    known = Config(api_url=url, ca_pin=authority.pin)
    assert trust(tmp_path, known, ask=never).establish(url, None)[1] == authority.pin


def test_loopback_without_a_terminal_is_trusted_at_first_use(
    tmp_path: Path, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = Authority()
    assert trust(tmp_path).establish(serve(authority, "127.0.0.1"), None)[1] == authority.pin
    assert authority.pin in capsys.readouterr().err


def test_a_changed_ca_is_not_trusted_at_first_use(tmp_path: Path, serve: Serve) -> None:
    authority = Authority()
    url = serve(authority, "127.0.0.1")
    known = Config(api_url=url, ca_pin="sha256:" + "1" * 64)
    with pytest.raises(Refusal, match="changed CA") as caught:
        trust(tmp_path, known).establish(url, None)
    assert f"--ca-pin {authority.pin}" in str(caught.value.hint)


def test_beyond_loopback_nothing_is_trusted_unasked(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve(Authority(), "127.0.0.1")
    monkeypatch.setattr("penstock.cli.trust.is_loopback", lambda _url: False)
    with pytest.raises(Refusal, match="unknown CA, and nobody to ask"):
        trust(tmp_path).establish(url, None)


def test_the_certificates_names_are_checked_under_a_pinned_ca(tmp_path: Path, serve: Serve) -> None:
    authority = Authority()
    url = serve(authority, "127.0.0.2")
    with pytest.raises(Refusal, match=r"not trusted here.*mismatch"):
        trust(tmp_path, ask=never).establish(url, authority.pin)


def test_a_ca_that_did_not_sign_the_certificate_is_of_no_use(tmp_path: Path, serve: Serve) -> None:
    shown, real = Authority(), Authority()
    url = serve(real, "127.0.0.1")
    real.pem, pin = shown.pem, shown.pin
    with pytest.raises(Refusal, match="not trusted here"):
        trust(tmp_path, ask=never).establish(url, pin)


def test_after_login_a_changed_ca_is_an_error_that_says_so(tmp_path: Path, serve: Serve) -> None:
    old, new = Authority(), Authority()
    (tmp_path / "ca.pem").write_text(old.pem)
    config = Config(api_url=serve(new, "127.0.0.1"), ca_pin=old.pin, ca_file=str(tmp_path / "ca.pem"))
    words = f"it was {old.pin} at login and is {new.pin} now"
    with pytest.raises(Refusal, match=words), client(State(home=tmp_path), config, "token") as api:
        api.get("connections")


def test_a_ca_from_the_environment_is_trusted_without_a_question(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority()
    url = serve(authority, "127.0.0.1")
    for value in (authority.pem, base64.b64encode(authority.pem.encode()).decode()):
        monkeypatch.setenv("TLS_CA", value)
        assert trust(tmp_path, ask=never).establish(url, None)[1:] == ("", "")
    monkeypatch.setenv("TLS_CA", "nonsense")
    with pytest.raises(Refusal, match="TLS_CA is neither PEM"):
        trust(tmp_path, ask=never).establish(url, None)


def test_plain_http_beyond_loopback_needs_consent(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="not encrypted"):
        trust(tmp_path).establish("http://gateway.test:8009", None)
    assert trust(tmp_path).establish("http://gateway.test:8009", None, insecure=True)[1:] == ("", "")
    assert trust(tmp_path).establish("http://127.0.0.1:1", None)[1:] == ("", "")


def test_pins_as_people_paste_them() -> None:
    assert normalised("SHA256:" + "AB:" * 31 + "AB") == "sha256:" + "ab" * 32
    for wrong in ("sha256:12", "md5:" + "a" * 64, "sha256:" + "g" * 64):
        with pytest.raises(click.UsageError):
            normalised(wrong)


@pytest.mark.parametrize(
    "pem", ["", "<html>", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_what_is_no_certificate_has_no_pin(pem: str) -> None:
    with pytest.raises(Refusal, match="no certificate"):
        pin_of(pem)
