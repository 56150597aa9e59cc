"""One HTTP/2 request, frame by frame, and everything that comes instead of its answer.

A proxy in the way answers in HTTP/1.1, with a TLS alert, a page or a reset: an HTTP client makes one error of
all these, and a diagnosis needs to tell them apart. Nothing secret is sent.
"""

import base64
import http.client
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from penstock.doctor.patient import Patient

_BODY_BYTES = 16 * 1024
_FIRST_BYTES = 64
_TURN_BYTES = 64 * 1024


def dial(patient: Patient, timeout_seconds: float) -> socket.socket:
    """A TCP connection, through the forward proxy if there is one. Raises ``OSError``."""
    proxy = patient.proxy
    if proxy is None:
        return socket.create_connection(patient.first_hop, timeout_seconds)
    host, port = patient.first_hop
    connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
    name, password = unquote(proxy.username or ""), unquote(proxy.password or "")
    credential = base64.b64encode(f"{name}:{password}".encode()).decode("ascii")
    headers = {"Proxy-Authorization": f"Basic {credential}"} if name else {}
    connection.set_tunnel(patient.host, patient.port, headers)
    connection.connect()
    return connection.sock


def dial_tls(patient: Patient, timeout_seconds: float) -> ssl.SSLSocket:
    """A TLS connection to whoever is there. Raises ``OSError``.

    Who that is was proven by the TLS check, as links prove it; nothing that is secret is sent here.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    tcp = dial(patient, timeout_seconds)
    try:
        return context.wrap_socket(tcp, server_hostname=patient.expected_name)
    except OSError:
        tcp.close()
        raise


@dataclass
class Answer:
    """What came."""

    settings: bool = False
    """Whether the other side speaks HTTP/2 at all."""
    headers: dict[str, str] = field(default_factory=dict)
    """Those of the head and the trailers, in lower case."""
    body: bytes = b""
    ended: bool = False
    reset: str | None = None
    """The code of RST_STREAM, by its name in RFC 9113 §7."""
    goaway: str | None = None
    first: bytes = b""
    """The first bytes that came."""
    broken: str | None = None
    """Why they are no HTTP/2, or that the connection ended."""

    @property
    def over(self) -> bool:
        """Whether nothing more is to be expected."""
        return self.ended or bool(self.reset or self.goaway or self.broken)


class Exchange:
    """A connection for one request. Raises ``OSError``, with ``TimeoutError`` among it."""

    def __init__(self, patient: Patient, timeout_seconds: float) -> None:
        self._deadline = time.monotonic() + timeout_seconds
        self._patient = patient
        self._socket = dial_tls(patient, timeout_seconds) if patient.tls else dial(patient, timeout_seconds)
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=False))

    def close(self) -> None:
        """Leaves."""
        self._socket.close()

    def greet(self) -> Answer:
        """The other side's first words."""
        self._h2.initiate_connection()
        return self._receive(lambda answer: answer.settings)

    def ask(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        """The whole answer to a request without a body, after the first words."""
        self._h2.initiate_connection()
        head = {
            ":method": method,
            ":scheme": "https" if self._patient.tls else "http",
            ":authority": self._patient.authority,
            ":path": path,
        }
        self._h2.send_headers(1, [*head.items(), *headers.items()], end_stream=True)
        return self._receive(lambda answer: answer.ended)

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _receive(self, enough: Callable[[Answer], bool]) -> Answer:
        answer = Answer()
        while not enough(answer) and not answer.over:
            if words := self._h2.data_to_send():
                self._socket.sendall(words)
            self._take(answer)
        return answer

    def _take(self, answer: Answer) -> None:
        if (left := self._left()) <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(_TURN_BYTES)
        except ConnectionError as error:
            answer.broken = error.strerror or "connection reset"
            return
        if not data:
            answer.broken = "the connection was closed"
            return
        answer.first = (answer.first + data)[:_FIRST_BYTES]
        try:
            events = self._h2.receive_data(data)
        except ProtocolError as error:
            answer.broken = str(error) or type(error).__name__
            return
        for event in events:
            self._note(answer, event)

    def _note(self, answer: Answer, event: Event) -> None:
        match event:
            case RemoteSettingsChanged():
                answer.settings = True
            case ResponseReceived() | TrailersReceived():
                answer.headers |= {_text(name).lower(): _text(value) for name, value in event.headers or ()}
            case DataReceived():
                answer.body = (answer.body + (event.data or b""))[:_BODY_BYTES]
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, 1)
            case StreamEnded():
                answer.ended = True
            case StreamReset():
                answer.reset = _name(event.error_code)
            case ConnectionTerminated():
                answer.goaway = _name(event.error_code)
            case _:
                pass


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _name(code: ErrorCodes | int | None) -> str:
    try:
        return ErrorCodes(code or 0).name
    except ValueError:
        return str(code)
