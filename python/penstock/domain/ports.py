"""The ports: what the use cases need from the outside. Adapters are built in ``penstock.app``."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from penstock.domain.agent import Agent, AgentPresence
from penstock.domain.app import App, AppPresence
from penstock.domain.certificate import (
    AuthorityFile,
    CertificateFiles,
    NewCertificate,
    PeerCertificate,
    RevokedCertificate,
)
from penstock.domain.connection import Connection
from penstock.domain.recording import Head, Summary, Verification
from penstock.domain.service_account import ServiceAccount
from penstock.domain.session import Meter, Session, SessionEnd, SessionFilter, SessionStatus
from penstock.domain.user import Group, Token, User


class Clock(Protocol):
    """Tells the time, in UTC."""

    def now(self) -> datetime: ...


class UserRepository(Protocol):
    """Users and their password hashes. E-mails are compared in lower case."""

    async def add(self, user: User, password_hash: str) -> None:
        """Raises ``conflict`` if the e-mail is taken."""

    async def add_first(self, user: User, password_hash: str, group: str) -> bool:
        """Adds ``user`` unless ``group`` has a member already; says whether it did, in one step."""

    async def get(self, id_or_email: str) -> User | None: ...
    async def login(self, email: str) -> tuple[User, str] | None:
        """The user with its password hash."""

    async def list(self) -> Sequence[User]: ...
    async def delete(self, user_id: str, *, keep_one_in: str) -> bool:
        """Deletes the user and its tokens; False if it is the last member of ``keep_one_in``."""

    async def any_in(self, group: str) -> bool: ...


class GroupRepository(Protocol):
    """Group names. Users, connections and apps that name a group create it."""

    async def add(self, name: str) -> bool:
        """False if it exists."""

    async def get(self, name: str) -> Group | None: ...
    async def list(self) -> Sequence[Group]: ...
    async def delete(self, name: str) -> bool: ...


class TokenRepository(Protocol):
    """Tokens, by the SHA-256 of the token."""

    async def add(self, token: Token, digest: str) -> None: ...
    async def by_digest(self, digest: str) -> tuple[Token, User] | None: ...
    async def by_id(self, token_id: str) -> tuple[Token, User] | None: ...
    async def list_for(self, user_id: str) -> Sequence[Token]: ...
    async def delete(self, token_id: str) -> bool: ...
    async def prune(self, expired_before: datetime) -> int: ...


class ServiceAccountRepository(Protocol):
    """Service accounts. Each has one key, which is a token."""

    async def add(self, account: ServiceAccount, key: Token, digest: str) -> None:
        """Raises ``conflict`` if the name is taken."""

    async def get(self, id_or_name: str) -> ServiceAccount | None: ...
    async def list(self) -> Sequence[ServiceAccount]: ...
    async def disable(self, account_id: str, disabled: bool) -> bool: ...
    async def rekey(self, key: Token, digest: str) -> None:
        """The account has this key from now on, and no other."""

    async def delete(self, account_id: str) -> bool: ...


class AgentRepository(Protocol):
    """Agents, and the SHA-256 of their keys."""

    async def add(self, agent: Agent, digest: str) -> None:
        """Raises ``conflict`` if the name is taken, or one of its certificates'."""

    async def get(self, id_or_name: str) -> Agent | None: ...
    async def named_by(self, certificate_names: Sequence[str]) -> Sequence[str]:
        """The names of the agents whose certificates may have one of these names."""

    async def digest(self, name: str) -> str | None: ...
    async def rekey(self, name: str, digest: str) -> bool: ...
    async def list(self) -> Sequence[Agent]: ...
    async def seen(self, names: Sequence[str], at: datetime) -> None: ...
    async def delete(self, agent_id: str) -> bool: ...


class RevocationRepository(Protocol):
    """Certificates that open no link any more, by fingerprint."""

    async def add(self, revoked: RevokedCertificate) -> bool:
        """False if it was revoked before; that is kept as it is."""

    async def get(self, fingerprint: str) -> RevokedCertificate | None: ...
    async def list(self) -> Sequence[RevokedCertificate]:
        """Newest first."""

    async def delete(self, fingerprint: str) -> bool: ...


class ConnectionRepository(Protocol):
    """Connections. ``env`` is encrypted at rest."""

    async def add(self, connection: Connection) -> None:
        """Raises ``conflict`` if the name is taken."""

    async def get(self, id_or_name: str) -> Connection | None: ...
    async def list(self) -> Sequence[Connection]: ...
    async def delete(self, connection_id: str) -> bool: ...


class AppRepository(Protocol):
    """Published apps, with their routes and the certificate names of their workers."""

    async def add(self, app: App) -> None:
        """Raises ``conflict`` if its name, a route or a worker's certificate name is taken."""

    async def get(self, id_or_name: str) -> App | None: ...
    async def served_by(self, certificate_names: Sequence[str]) -> Sequence[tuple[str, str]]:
        """Which of these names are of workers, each with the name of its app."""

    async def list(self) -> Sequence[App]: ...
    async def delete(self, app_id: str) -> bool: ...


class SessionRepository(Protocol):
    """Sessions, for ever: they name users and connections that may be gone."""

    async def begin(self, session: Session) -> bool:
        """Adds it unless its token or its connection is gone, in one step; says whether it did."""

    async def get(self, session_id: str) -> Session | None: ...
    async def list(self, which: SessionFilter) -> Sequence[Session]:
        """Newest first."""

    async def end(self, session_id: str, end: SessionEnd, at: datetime) -> bool:
        """Ends an open session; False if it is not open."""

    async def restore(self, session: Session) -> bool:
        """Adds a session that is known by its recording alone; False if it is known already."""

    async def open_ids(self) -> Sequence[str]:
        """The recorded ones that the store believes to be live."""


class PassageRepository(Protocol):
    """Sessions of type ``egress``. There may be very many: the oldest are forgotten."""

    async def note(self, passages: Sequence[Session]) -> Sequence[str]:
        """Adds or ends them, again and again with the same result.

        Those that are open while their caller's token proves nothing any more are not added, but returned.
        """

    async def interrupt(self, live: Collection[str], before: datetime, reason: str) -> int:
        """Ends what is open, not live, and began before then; how many."""

    async def prune(self, keep: int) -> int:
        """Deletes ended ones but for the newest ``keep``; how many."""


class Store(Protocol):
    """Whether the store answers."""

    async def ping(self) -> None: ...


class Engine(Protocol):
    """The running data plane. No call blocks."""

    def agents(self) -> Mapping[str, AgentPresence]:
        """The agents with at least one link up, by name."""

    def apps(self) -> Mapping[str, AppPresence]:
        """The apps with at least one worker's link up, by name."""

    def sessions(self) -> Mapping[str, Meter]:
        """The live sessions, by identifier."""

    def kill(self, session_id: str, status: SessionStatus, reason: str) -> bool:
        """Ends a live session; False if it is not live."""

    def end_token(self, token_id: str) -> int:
        """Ends the links and sessions of a revoked token; how many sessions."""

    def end_agent(self, name: str) -> int:
        """Drops the links of a removed agent; how many."""

    def end_certificate(self, fingerprint: str) -> None:
        """Ends the links of a revoked certificate."""

    def publish(self, apps: Sequence[App]) -> None:
        """These are all apps from now on. Links of workers that serve none of them end."""

    def forget_visitors(self) -> None:
        """Whoever entered an app is asked about again at the next request."""


class RecordingReader(Protocol):
    """Reads recordings. Every call blocks on files; run it off the loop."""

    def replay(self, path: Path) -> Iterator[str]:
        """One JSON object per event, statements merged with their completion."""

    def verify(self, path: Path, head: str | None) -> Verification: ...
    def summarise(self, path: Path) -> Summary: ...


class RecordingArchive(Protocol):
    """Where recordings are kept."""

    def live_path(self, session_id: str) -> Path:
        """Where a session is recorded while it is live."""

    async def locate(self, session_id: str, started_at: datetime) -> Path | None:
        """Where the recording is now; None if there is no file."""

    def public_key(self) -> str:
        """What proves the signatures of recordings, in PEM."""

    async def checkpoint(self, heads: Mapping[str, Head]) -> None:
        """Signs how far the recordings of live sessions have come."""

    async def keep(self, session_id: str, started_at: datetime, head: Head | None) -> Path | None:
        """Signs a finished recording and moves it to its place; None if there is no file."""

    async def left_behind(self) -> Sequence[str]:
        """The sessions whose recordings still lie where live ones do."""


class Passwords(Protocol):
    """Password hashing, off the loop."""

    async def hash(self, password: str) -> str: ...
    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Takes the same time whether or not there is a hash. Raises ``limited`` when overrun."""


class LoginThrottle(Protocol):
    """Counts failed logins per e-mail and per peer."""

    def check(self, email: str, peer: str) -> None:
        """Raises ``limited`` if there were too many."""

    def failed(self, email: str, peer: str) -> None: ...
    def succeeded(self, email: str, peer: str) -> None: ...


class Secrets(Protocol):
    """Mints secrets and knows their digests."""

    def token(self) -> str: ...
    def agent_secret(self) -> str: ...
    def service_key(self) -> str: ...
    def digest(self, secret: str) -> str: ...
    def matches(self, secret: str, digest: str) -> bool:
        """Compares in constant time."""


class PeerCertificates(Protocol):
    """The authority of the tunnel port's peers, on the gateway's machine."""

    def init(self) -> AuthorityFile:
        """Makes the authority if there is none."""

    def issue(self, new: NewCertificate, folder: Path | None) -> CertificateFiles:
        """Raises ``malformed`` for a name that cannot be one, ``conflict`` if the files exist."""

    def issued(self) -> Sequence[PeerCertificate]:
        """All, by name."""

    def read(self, path: Path) -> PeerCertificate:
        """The certificate in a file. Raises ``malformed``."""


class SecretBox(Protocol):
    """Encrypts what the store must not show."""

    def seal(self, plain: str) -> str: ...
    def open(self, sealed: str) -> str:
        """Raises ``internal`` if the key does not fit."""
