"""From settings to what each part is told, or why it cannot start. Builds nothing that runs."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from penstock import __version__
from penstock.clock import SystemClock
from penstock.domain.addresses import Address, is_host, parse_address
from penstock.domain.agent_key import AgentKey, TunnelAddress
from penstock.domain.errors import PenstockError, Side, malformed
from penstock.domain.names import check_email, check_password
from penstock.engine.agent import AgentCertificate, AgentConfig
from penstock.engine.gateway import Bound, GatewayConfig, Limits, PublicConfig, TunnelConfig
from penstock.identity.peers import PeerAuthority
from penstock.identity.pki import OwnAuthority, ServerIdentity
from penstock.identity.tls_material import configured_hosts, configured_identity, configured_peer
from penstock.services.server import Advertised, ServerInfo, describe_server
from penstock.settings import Settings

LOCAL_AGENT = "local"


def engine_config(
    settings: Settings,
    identity: ServerIdentity,
    api_socket: Path,
    tunnel: TunnelConfig | None = None,
    public: PublicConfig | None = None,
    egress: Mapping[str, Any] | None = None,
    *,
    standalone: bool,
) -> GatewayConfig:
    """What the data plane is told."""
    http, grpc, admin = settings.listen(loopback=standalone)
    return GatewayConfig(
        http_listen=http,
        grpc_listen=grpc,
        admin_listen=admin,
        api_socket=str(api_socket),
        chain_pem=identity.chain_pem,
        key_pem=identity.key_pem,
        keepalive_seconds=settings.link_keepalive_seconds,
        ask_timeout_seconds=settings.ask_timeout_seconds,
        limits=Limits(
            connections=settings.limit_connections,
            handshake_seconds=settings.limit_handshake_seconds,
            client_streams=settings.limit_client_streams,
            header_fields=settings.limit_header_fields,
            header_bytes=settings.limit_header_bytes,
            resets_per_minute=settings.limit_resets_per_minute,
        ),
        trusted=settings.trusted_proxies,
        tunnel=tunnel,
        public=public,
        egress=egress,
    )


def tunnel_config(settings: Settings, home: Path, *, standalone: bool) -> TunnelConfig | None:
    """The tunnel port: if it is asked for, or if there is an authority or an app for those who dial it."""
    peers = PeerAuthority(home, SystemClock())
    if settings.tunnel_listen is None and settings.public_listen is None and not peers.exists:
        return None
    authority = peers.init()
    shown = peers.server(_names(settings, standalone=standalone))
    return TunnelConfig(
        listen=settings.tunnel(loopback=standalone),
        chain_pem=shown.chain_pem,
        key_pem=shown.key_pem,
        client_ca_pem=authority.path.read_text("ascii"),
    )


def public_config(settings: Settings) -> PublicConfig | None:
    """The port of the published apps, if it is asked for."""
    if settings.public_listen is None:
        return None
    listen, cert, key = (
        parse_address(settings.public_listen),
        settings.public_tls_cert,
        settings.public_tls_key,
    )
    if cert is None and key is None:
        return PublicConfig(listen)
    if cert is None or key is None:
        raise _refusal(
            "PUBLIC_TLS_KEY and PUBLIC_TLS_CERT belong together", "set both, or neither for plain HTTP"
        )
    shown = configured_identity(cert.get_secret_value(), key.get_secret_value(), None)
    return PublicConfig(listen, shown.chain_pem, shown.key_pem)


def secure_cookies(settings: Settings) -> bool:
    """Whether browsers reach the gateway by TLS as far as the operator says."""
    return settings.api_url is not None and settings.api_url.startswith("https://")


def server_identity(settings: Settings, home: Path, *, standalone: bool) -> ServerIdentity:
    """What the ports show: the configured certificate, or one by a CA of our own."""
    cert, key, ca = settings.tls_cert, settings.tls_key, settings.tls_ca
    if cert is not None and key is not None:
        ca_pem = None if ca is None else ca.get_secret_value()
        return configured_identity(cert.get_secret_value(), key.get_secret_value(), ca_pem)
    if cert is not None or key is not None:
        raise _refusal("TLS_KEY and TLS_CERT belong together", "set both, or neither for a CA of our own")
    return OwnAuthority(home, SystemClock()).identity(_names(settings, standalone=standalone))


def _names(settings: Settings, *, standalone: bool) -> list[str]:
    """The hosts that the gateway is reached at: what it listens on, what is advertised and configured."""
    listening = [address.host for address in settings.listen(loopback=standalone)[:2]]
    if settings.tunnel_listen is not None:
        listening.append(settings.tunnel(loopback=standalone).host)
    advertised = [urlsplit(url).hostname for url in (settings.api_url, settings.grpc_url) if url]
    configured = () if settings.tls_cert is None else configured_hosts(settings.tls_cert.get_secret_value())
    found = ["localhost", "127.0.0.1", "::1", socket.gethostname(), *listening, *advertised, *configured]
    return [name for name in found if name and _is_certain(name)]


def _is_certain(name: str) -> bool:
    return is_host(name.removeprefix("*.")) and name not in ("0.0.0.0", "::")  # noqa: S104 - not bound


def server_info(settings: Settings, identity: ServerIdentity, bound: Bound) -> ServerInfo:
    """What the gateway says of itself, now that the ports are known."""
    said = Advertised(settings.api_url, settings.grpc_url, settings.advertise_ca_pin)
    http, grpc = parse_address(bound.http), parse_address(bound.grpc)
    return describe_server(__version__, said, http, grpc, identity.ca_pem, identity.ca_pin)


def static_ui(settings: Settings) -> Path | None:
    """The folder of a web app, if one is configured."""
    folder = settings.static_ui_path
    if folder is not None and not (folder / "index.html").is_file():
        raise _refusal(
            f"STATIC_UI_PATH: there is no index.html in {folder}", "unset it for the built-in page"
        )
    return folder


def first_admin(settings: Settings) -> tuple[str | None, str | None]:
    """E-mail and password of the first admin, if configured."""
    email, password = settings.admin_email, settings.admin_password
    if email is None and password is None:
        return None, None
    if email is None or password is None:
        raise _refusal(
            "PENSTOCK_ADMIN_EMAIL and PENSTOCK_ADMIN_PASSWORD belong together", "set both, or none"
        )
    try:
        return check_email(email), check_password(password.get_secret_value())
    except PenstockError as error:
        raise _refusal(
            f"PENSTOCK_ADMIN_EMAIL or PENSTOCK_ADMIN_PASSWORD: {error.message}", error.hint
        ) from None


def refuse_what_is_not_there_yet(settings: Settings) -> None:
    """What is accepted as a name and does not work yet must not be silently ignored."""
    if settings.postgres_db_uri is not None:
        raise _refusal(
            "POSTGRES_DB_URI is set, and this release stores in SQLite only",
            f"unset it; the store is then {settings.home / 'penstock.db'}",
        )
    if settings.org_multi_tenant:
        raise _refusal("ORG_MULTI_TENANT is set, and this release serves one organisation", "unset it")


def agent_config(settings: Settings) -> AgentConfig:
    """What an agent is told."""
    if settings.key is None:
        raise _refusal("PENSTOCK_KEY is not set", "give the key that penstock admin create agent printed")
    text = settings.key.get_secret_value()
    address = TunnelAddress.parse(text)
    if address is None:
        key, certificate = AgentKey.parse(text), None
    else:
        key, certificate = _certified(settings, address)
    return AgentConfig(
        key=key,
        certificate=certificate,
        allow=settings.allow,
        insecure=settings.insecure,
        keepalive_seconds=settings.link_keepalive_seconds,
        ca_pem=None if settings.tls_ca is None else settings.tls_ca.get_secret_value(),
        server_name=settings.tls_server_name,
        admin_listen=settings.admin_listen,
        https_proxy=None if settings.https_proxy is None else settings.https_proxy.get_secret_value(),
        no_proxy=settings.no_proxy,
    )


def _certified(settings: Settings, address: TunnelAddress) -> tuple[AgentKey, AgentCertificate]:
    """Who an agent on ``tls://`` is: by its certificate."""
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None or key is None:
        raise _refusal(
            "PENSTOCK_KEY is tls://, and TLS_CERT or TLS_KEY is not set",
            "set both to what penstock pki issue NAME wrote: the texts, base64 of them, or the paths",
        )
    identity = configured_identity(cert.get_secret_value(), key.get_secret_value(), None)
    leaf = configured_peer(identity.chain_pem)
    if leaf.expires_at <= SystemClock().now():
        raise _refusal(
            f"the certificate in TLS_CERT expired on {leaf.expires_at.date().isoformat()}",
            f"issue another: penstock pki issue {leaf.name}",
        )
    certificate = AgentCertificate(identity.chain_pem, identity.key_pem, settings.tunnel_flavour)
    return AgentKey(address.url, leaf.name, "", address.ca_pin), certificate


def local_agent_config(settings: Settings, bound: Bound, secret: str) -> AgentConfig:
    """What the agent in the gateway's own process is told."""
    address = parse_address(bound.grpc)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 - not bound
    # Plaintext: it does not leave this machine, and the certificate may be somebody else's.
    return AgentConfig(
        key=AgentKey(f"grpc://{Address(host, address.port)}", LOCAL_AGENT, secret),
        allow=settings.allow,
        insecure=True,
        keepalive_seconds=settings.link_keepalive_seconds,
    )


def _refusal(message: str, hint: str | None) -> PenstockError:
    error = malformed(message, hint=hint)
    error.side = Side.GATEWAY
    return error
