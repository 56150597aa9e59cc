"""The REST API as a program uses it."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.e2e.stack.waiting import until

Json = dict[str, Any]


class Api:
    """One gateway's API, with a token."""

    def __init__(self, url: str, ca: Path, token: str | None = None) -> None:
        self.token = token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        trust = ssl.create_default_context(cafile=str(ca))
        self.http = httpx.Client(
            base_url=f"{url}/api", headers=headers, verify=trust, trust_env=False, timeout=30
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def log_in(self, email: str, password: str) -> None:
        """Uses a new token from here on."""
        self.token = str(self.post("login", email=email, password=password)["token"])
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    def get(self, path: str, **query: Any) -> Any:
        """The JSON answer to a GET that must succeed."""
        return _answer(self.http.get(path, params=query))

    def post(self, path: str, **body: Any) -> Any:
        """The JSON answer to a POST that must succeed."""
        return _answer(self.http.post(path, json=body or None))

    def delete(self, path: str) -> None:
        """A DELETE that must succeed."""
        _answer(self.http.delete(path))

    def sessions(self, application: str, **query: Any) -> list[Json]:
        """The sessions whose client named itself so, the latest first."""
        found = self.get("sessions", limit=200, **query)["items"]
        return [session for session in found if session["client"]["application"] == application]

    def newest(self) -> str | None:
        """The session that began last, of whomever."""
        found = self.get("sessions", limit=1)["items"]
        return str(found[0]["id"]) if found else None

    def session(self, application: str) -> Json:
        """The latest session of this client, as soon as there is one."""
        return until(f"{application} has a session", lambda: self.sessions(application))[0]

    def ended(self, session: str, seconds: float = 30.0) -> Json:
        """A session, once it is not open any more."""

        def look() -> Json | None:
            found: Json = self.get(f"sessions/{session}")
            return found if found["status"] != "open" else None

        return until(f"session {session} ended", look, seconds)

    def replay(self, session: str) -> list[Json]:
        """All events of a session."""
        answer = self.http.get(f"sessions/{session}/replay").raise_for_status()
        assert answer.headers["content-type"].startswith("application/x-ndjson")
        return [json.loads(line) for line in answer.text.splitlines()]

    def statements(self, session: str) -> list[Json]:
        """The statements of a session."""
        return [event for event in self.replay(session) if event["type"] == "statement"]

    def verify(self, session: str) -> Json:
        """What the gateway says of a recording."""
        found: Json = self.post(f"sessions/{session}/verify")
        return found


def _answer(response: httpx.Response) -> Any:
    assert response.is_success, f"{response.request.method} {response.url}: {response.text}"
    return response.json() if response.content else None
