"""Every setting once: its name, type, default and meaning. Environment first, then ``penstock.toml``.

The file is looked for in ``PENSTOCK_HOME`` and then in the working directory; its keys are the names of
the environment variables. ``docs/reference/settings.md`` is generated from this page.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from penstock.domain.addresses import Address, parse_address
from penstock.domain.errors import PenstockError, Side, malformed
from penstock.setting_types import (
    GrpcUrl,
    HttpUrl,
    ListenAddress,
    Names,
    Networks,
    Pem,
    Seconds,
    flavour,
    lower,
    upper,
)

FILE_NAME = "penstock.toml"


class Settings(BaseSettings):
    """All settings of every role. Build it with :func:`load`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True, populate_by_name=False
    )

    home: Path = Field(
        Path("~/.penstock"),
        alias="PENSTOCK_HOME",
        description="Holds all state of every role: store, keys, recordings, the user's login.",
    )
    http_listen: ListenAddress | None = Field(
        None,
        alias="HTTP_LISTEN",
        description="Where REST, the web page and gRPC are served. Unset: `0.0.0.0:8009`, and "
        "`127.0.0.1:8009` for `start standalone` and `demo`.",
    )
    grpc_listen: ListenAddress | None = Field(
        None,
        alias="GRPC_LISTEN",
        description="Where gRPC is served to agents and clients. Unset: `0.0.0.0:8010`, and "
        "`127.0.0.1:8010` for `start standalone` and `demo`.",
    )
    tunnel_listen: ListenAddress | None = Field(
        None,
        alias="TUNNEL_LISTEN",
        description="Where agents and workers dial with certificates (carrier `tls`). Unset: no port until "
        "`penstock pki init` has made the authority or `PUBLIC_LISTEN` is set, then `0.0.0.0:8443`, and "
        "`127.0.0.1:8443` for `start standalone`.",
    )
    public_listen: ListenAddress | None = Field(
        None,
        alias="PUBLIC_LISTEN",
        description="Where published apps are served, for example `0.0.0.0:8080`. Unset: no port.",
    )
    public_tls_key: Pem | None = Field(
        None,
        alias="PUBLIC_TLS_KEY",
        description="The private key for the public port: as `TLS_KEY`.",
    )
    public_tls_cert: Pem | None = Field(
        None,
        alias="PUBLIC_TLS_CERT",
        description="Its certificate and chain, leaf first. Without both the public port speaks plain HTTP, "
        "for something before it that ends TLS.",
    )
    public_behind_tls: bool = Field(
        False,
        alias="PUBLIC_BEHIND_TLS",
        description="Whether TLS ends before a proxy's public port, so that workers are told `https`.",
    )
    trusted_proxies: Networks = Field(
        (),
        validation_alias=AliasChoices("TRUSTED_PROXIES", "PUBLIC_TRUSTED"),
        description="Networks (`CIDR`, comma separated) of the load balancers and proxies before us that are "
        "believed about who calls: by PROXY protocol, `X-Forwarded-…` or `Forwarded`. Nobody else is. "
        "`PUBLIC_TRUSTED` is read too.",
    )
    egress_listen: ListenAddress | None = Field(
        None,
        alias="EGRESS_LISTEN",
        description="Where the forward proxy listens, above what its configuration says, for example "
        "`0.0.0.0:3128`. The gateway is one only if this is set.",
    )
    egress_config: Path | None = Field(
        None,
        alias="EGRESS_CONFIG",
        description="The forward proxy's configuration: TOML, or YAML with Gateway and VirtualService "
        "resources. It is read again when it changes.",
    )
    egress_sessions: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        100_000,
        alias="EGRESS_SESSIONS",
        description="How many ended tunnels through the gateway's forward proxy stay listed as sessions; the "
        "oldest are forgotten first. The access log keeps all.",
    )
    admin_listen: ListenAddress | None = Field(
        None,
        alias="ADMIN_LISTEN",
        description="Where metrics and state are served. Unset: `127.0.0.1:19000` for the gateway; an "
        "agent or worker opens no port unless this is set.",
    )
    link_keepalive_seconds: Annotated[int, Field(ge=1, le=3600)] = Field(
        15, alias="LINK_KEEPALIVE_SECONDS", description="Seconds of silence on a link before it is probed."
    )
    session_idle_seconds: Seconds = Field(
        3600, alias="SESSION_IDLE_SECONDS", description="Seconds without a byte before a session ends."
    )
    # A control character takes six bytes in a recording, whose records are bounded at 8 MiB.
    statement_bytes: Annotated[int, Field(ge=1024, le=1_310_720)] = Field(
        1_048_576,
        alias="STATEMENT_BYTES",
        description="Bytes of a statement's text that are recorded; longer ones are marked truncated.",
    )
    limit_connections: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        10_000, alias="LIMIT_CONNECTIONS", description="Connections on one port at once; more wait."
    )
    limit_handshake_seconds: Annotated[int, Field(ge=1, le=300)] = Field(
        10,
        alias="LIMIT_HANDSHAKE_SECONDS",
        description="Seconds for each of a TLS handshake, a first request, and a client's start-up.",
    )
    limit_client_streams: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1_000, alias="LIMIT_CLIENT_STREAMS", description="Sessions on one link of a client at once."
    )
    limit_header_fields: Annotated[int, Field(ge=16, le=10_000)] = Field(
        100, alias="LIMIT_HEADER_FIELDS", description="Header fields of a request."
    )
    limit_header_bytes: Annotated[int, Field(ge=8_192, le=1_048_576)] = Field(
        65_536, alias="LIMIT_HEADER_BYTES", description="Bytes of a request's header list."
    )
    limit_resets_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1_000,
        alias="LIMIT_RESETS_PER_MINUTE",
        description="Streams that a peer may reset in a minute on one connection or link; more close it.",
    )
    drain_seconds: Annotated[int, Field(ge=0, le=86_400)] = Field(
        10, alias="DRAIN_SECONDS", description="Seconds that live sessions get to finish when stopping."
    )
    ask_timeout_seconds: Annotated[int, Field(ge=1, le=60)] = Field(
        10, alias="ASK_TIMEOUT_SECONDS", description="Seconds for one decision; later is a denial."
    )
    recording_level: Literal["process", "fsync"] = Field(
        "process",
        alias="RECORDING_LEVEL",
        description="What the record of a burst has survived before the burst goes onward: `process`, the "
        "death of the gateway's process; `fsync`, a loss of power too.",
    )
    recording_required: bool = Field(
        True,
        alias="RECORDING_REQUIRED",
        description="Whether a session ends when its recording cannot go on. If not, it goes on and the gap "
        "is noted.",
    )
    token_ttl_seconds: Seconds = Field(
        43_200, alias="TOKEN_TTL_SECONDS", description="Seconds that a login lasts."
    )
    admin_email: str | None = Field(
        None,
        alias="PENSTOCK_ADMIN_EMAIL",
        description="Makes the first admin of an empty store, with `PENSTOCK_ADMIN_PASSWORD`.",
    )
    admin_password: SecretStr | None = Field(
        None, alias="PENSTOCK_ADMIN_PASSWORD", description="The first admin's password, 8 characters or more."
    )
    admin_group: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        "admin", alias="ADMIN_USERNAME", description="The name of the group whose members administer."
    )
    postgres_db_uri: SecretStr | None = Field(
        None,
        alias="POSTGRES_DB_URI",
        description="The store. Unset: an SQLite file in `PENSTOCK_HOME`, the only one of this release.",
    )
    api_url: HttpUrl | None = Field(
        None,
        alias="API_URL",
        description="The address of the API as users reach it, behind whatever proxy: it stands in links, "
        "and `https` makes cookies `Secure`. Unset: `https://localhost` with the port of `HTTP_LISTEN`.",
    )
    grpc_url: GrpcUrl | None = Field(
        None,
        alias="GRPC_URL",
        description="The address that agents and clients are told to dial; it stands in agent keys. Unset: "
        "that of `API_URL`, where gRPC is served too; without it `grpcs://localhost` with the port of "
        "`GRPC_LISTEN`.",
    )
    advertise_ca_pin: bool | None = Field(
        None,
        alias="ADVERTISE_CA_PIN",
        description="Whether agent keys carry the pin of the gateway's own CA. Unset: yes if there is one "
        "and `GRPC_URL` names one of our own ports, for else something before us ends TLS.",
    )
    tls_key: Pem | None = Field(
        None,
        alias="TLS_KEY",
        description="The private key for 8009 and 8010, an agent's for `tls://`, a worker's: PEM, base64 of "
        "PEM, or the path of a file (absolute, or it begins with `./` or `~`).",
    )
    tls_cert: Pem | None = Field(
        None,
        alias="TLS_CERT",
        description="Its certificate and chain, leaf first: as `TLS_KEY`. Without both, the "
        "gateway makes its own CA.",
    )
    tls_ca: Pem | None = Field(
        None,
        alias="TLS_CA",
        description="The CA that an agent, worker or client expects, and that the gateway appends to its "
        "chain: as `TLS_KEY`.",
    )
    tls_server_name: str | None = Field(
        None,
        alias="TLS_SERVER_NAME",
        description="The name that an agent, worker or client expects in the other side's certificate.",
    )
    https_proxy: SecretStr | None = Field(
        None,
        alias="HTTPS_PROXY",
        description="The forward proxy through which an agent, worker or client dials, by CONNECT: "
        "`http://HOST:PORT` or `https://HOST:PORT`, with `NAME:PASSWORD@` before the host if it asks. This "
        "machine is reached without it. `https_proxy` is read too.",
    )
    no_proxy: str | None = Field(
        None,
        alias="NO_PROXY",
        description="What is reached without the forward proxy, comma separated: names with all below them, "
        "addresses, `CIDR`, or `*`. `no_proxy` is read too.",
    )
    key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("PENSTOCK_KEY", "HOOP_KEY", "HOOP_DSN"),
        description="An agent's key, as `penstock admin create agent` printed it, or `tls://HOST:8443` for "
        "one that dials with `TLS_CERT` and `TLS_KEY`. `HOOP_KEY` and `HOOP_DSN` are read too.",
    )
    tunnel_flavour: Annotated[Literal["swap", "rh2"], BeforeValidator(flavour)] = Field(
        "swap",
        alias="TUNNEL_FLAVOUR",
        description="How an agent on `tls://` or a worker lets the other side request: `swap` (or `h2`) as "
        "HAProxy does, or `rh2` as the IETF draft does.",
    )
    worker_app: str | None = Field(
        None,
        alias="WORKER_APP",
        description="What a worker serves: `MODULE:APP`, imported from the working directory, or an "
        "upstream's URL (`http://`, `https://`, `h2c://`, `unix:/PATH`).",
    )
    worker_connect: ListenAddress | None = Field(
        None, alias="WORKER_CONNECT", description="The proxy's tunnel port, which a worker dials."
    )
    worker_connections: Annotated[int, Field(ge=1, le=256)] = Field(
        1, alias="WORKER_CONNECTIONS", description="Links that a worker holds."
    )
    worker_max_concurrent_streams: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        100,
        alias="WORKER_MAX_CONCURRENT_STREAMS",
        description="Requests that the proxy may have open on one link of a worker.",
    )
    worker_upstream_ca: Pem | None = Field(
        None,
        alias="WORKER_UPSTREAM_CA",
        description="The CA of an `https://` upstream: as `TLS_KEY`. Unset: the system's roots.",
    )
    proxy_workers_ca: Pem | None = Field(
        None,
        alias="PROXY_WORKERS_CA",
        description="The CA that signs the certificates of a proxy's workers: as `TLS_KEY`.",
    )
    proxy_allow: Names = Field(
        (),
        alias="PROXY_ALLOW",
        description="Workers that may dial in, comma separated: `NAME` or `NAME=GROUP`, with `*` for any "
        "characters. Unset: every certificate of the CA, for the group `default`.",
    )
    proxy_routes: Names = Field(
        (),
        alias="PROXY_ROUTES",
        description="Which group serves what, comma separated: `HOST[/PATH][=GROUP]`, where `*.HOST` is all "
        "below and `*` any host. Unset: the group `default` serves everything.",
    )
    proxy_selector: str = Field(
        "least-in-flight",
        alias="PROXY_SELECTOR",
        description="How a proxy chooses a worker: `least-in-flight`, `round-robin`, `power-of-two`, "
        "`cookie:NAME` or `header:NAME`.",
    )
    proxy_max_concurrent_streams: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1000,
        alias="PROXY_MAX_CONCURRENT_STREAMS",
        description="Requests that a proxy opens on one link, if the worker admits as many.",
    )
    proxy_retries: Annotated[int, Field(ge=0, le=10)] = Field(
        2, alias="PROXY_RETRIES", description="Further attempts at a request that is safe to repeat."
    )
    proxy_wait_seconds: Annotated[float, Field(ge=0, le=600)] = Field(
        2.0,
        alias="PROXY_WAIT_SECONDS",
        description="How long a request waits for a worker while none is attached.",
    )
    proxy_head_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        60,
        alias="PROXY_HEAD_SECONDS",
        description="How long a worker may take until its answer begins.",
    )
    proxy_idle_seconds: Annotated[int, Field(ge=1, le=2_592_000)] = Field(
        3600,
        alias="PROXY_IDLE_SECONDS",
        description="Silence after which a proxy gives up a body or a websocket.",
    )
    proxy_access_log: bool = Field(
        False, alias="PROXY_ACCESS_LOG", description="Logs every request of a proxy's public ports."
    )
    allow: Names = Field(
        (),
        alias="PENSTOCK_ALLOW",
        description="What an agent may open, comma separated: `HOST:PORT`, `HOST:*`, `CIDR:PORT`, "
        "`unix:/PATH`. Unset: what the gateway asks, link-local and metadata addresses never.",
    )
    insecure: bool = Field(
        False,
        alias="PENSTOCK_INSECURE",
        description="Lets an agent or client speak plaintext beyond loopback.",
    )
    log_encoding: Annotated[Literal["json", "console"], BeforeValidator(lower)] = Field(
        "json", alias="LOG_ENCODING", description="How logs look, on standard error."
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARN", "ERROR"], BeforeValidator(upper)] = Field(
        "INFO", alias="LOG_LEVEL", description="The least level that is logged."
    )
    gin_mode: Annotated[Literal["debug", "release", "test"], BeforeValidator(lower)] = Field(
        "release", alias="GIN_MODE", description="`debug` logs every route of the ports at the start."
    )
    log_grpc: bool = Field(
        False,
        alias="LOG_GRPC",
        description="Logs the head of every HTTP/2 frame on links, too; for clients as well.",
    )
    audit_path: Path | None = Field(
        None,
        alias="PLUGIN_AUDIT_PATH",
        description="Where live sessions are recorded. Unset: `sessions` in `PENSTOCK_HOME`.",
    )
    static_ui_path: Path | None = Field(
        None,
        alias="STATIC_UI_PATH",
        description="A folder with a web app to serve at `/` instead of the built-in page.",
    )
    org_multi_tenant: bool = Field(
        False, alias="ORG_MULTI_TENANT", description="Several organisations. Not in this release."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """:func:`load` gives two layers: overrides stand above the environment, the file below it."""
        layers = cast(InitSettingsSource, init_settings).init_kwargs
        above, below = layers.get("overrides", {}), layers.get("file", {})
        return InitSettingsSource(cls, above), env_settings, InitSettingsSource(cls, below)

    def listen(self, *, loopback: bool) -> tuple[Address, Address, Address]:
        """Where HTTP, gRPC and admin listen; ``loopback`` is the default of `standalone` and `demo`."""
        host = "127.0.0.1" if loopback else "0.0.0.0"  # noqa: S104 - the gateway is a server
        return (
            parse_address(self.http_listen or f"{host}:8009"),
            parse_address(self.grpc_listen or f"{host}:8010"),
            parse_address(self.admin_listen or "127.0.0.1:19000"),
        )

    def tunnel(self, *, loopback: bool) -> Address:
        """Where agents dial with certificates, if there is an authority for them."""
        host = "127.0.0.1" if loopback else "0.0.0.0"  # noqa: S104 - the gateway is a server
        return parse_address(self.tunnel_listen or f"{host}:8443")


def names() -> dict[str, str]:
    """The variable that sets each field, and the field."""
    return {variable: field for field in Settings.model_fields for variable in variables(field)}


def variables(field: str) -> tuple[str, ...]:
    """The variables that set this field, the first that is set wins."""
    alias = Settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice) for choice in alias.choices)
    return (str(alias),)


def load(overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings of this process. ``overrides`` (by variable name) stand above all.

    Raises :class:`PenstockError` naming the variable, what is wrong with it, and what to do.
    """
    file, values = _read_file()
    layers: dict[str, Any] = {"overrides": dict(overrides or {}), "file": values}
    try:
        settings = Settings(**layers)
    except ValidationError as error:
        raise _explain(error, file, overrides or {}) from None
    return settings.model_copy(update={"home": settings.home.expanduser().absolute()})


def _read_file() -> tuple[Path | None, dict[str, Any]]:
    home = Path(os.environ.get("PENSTOCK_HOME") or "~/.penstock").expanduser()
    for path in (home / FILE_NAME, Path.cwd() / FILE_NAME):
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise malformed(f"cannot read {path}: {error}", hint="make it readable, or remove it") from None
        try:
            values = {name.upper(): value for name, value in tomllib.loads(text).items()}
        except tomllib.TOMLDecodeError as error:
            raise malformed(
                f"{path} is not TOML: {error}", hint="write NAME = value, text in quotes"
            ) from None
        _refuse_unknown(path, values)
        return path, values
    return None, {}


def _refuse_unknown(path: Path, values: Mapping[str, Any]) -> None:
    known = [name for name in names() if name != "PENSTOCK_HOME"]
    for name in values:
        if name == "PENSTOCK_HOME":
            raise malformed(
                f"{path}: PENSTOCK_HOME says where this file is", hint="set it in the environment"
            )
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "docs/reference/settings.md lists the names"
            raise malformed(f"{path}: there is no setting {name}", hint=hint)


def _explain(error: ValidationError, file: Path | None, overrides: Mapping[str, Any]) -> PenstockError:
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    variable = variables(name)[0] if name in Settings.model_fields else name
    where = "the environment" if variable in os.environ or file is None else str(file)
    where = "the command line" if variable in overrides else where
    problem = str(first["msg"]).removeprefix("Value error, ")
    known = names()
    meaning = Settings.model_fields[known[variable]].description if variable in known else None
    result = malformed(f"{variable} (from {where}): {problem}", hint=meaning)
    result.side = Side.GATEWAY
    return result
