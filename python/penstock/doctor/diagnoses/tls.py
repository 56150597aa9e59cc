"""What goes wrong while TLS begins."""

from penstock.doctor.finding import Diagnosis

_TLS = frozenset({"tls"})
_HTTP2 = {
    "nginx": ("http2 on;            # before nginx 1.25.1: listen 443 ssl http2;",),
    "HAProxy": ("bind :443 ssl crt /path/to/bundle.pem alpn h2,http/1.1",),
    "Envoy": ("common_tls_context: { alpn_protocols: [h2, http/1.1] }", "codec_type: AUTO"),
    "ALB": ("routing.http2.enabled=true   # and an HTTPS listener, for gRPC target groups",),
}

TLS = (
    Diagnosis(
        name="forward-proxy",
        checks=frozenset({"tls", "http2", "grpc"}),
        seen={"detail": "forward proxy|Tunnel connection failed"},
        cause="The forward proxy of HTTPS_PROXY does not open the way: it wants a credential, or its rules "
        "do not allow CONNECT to this host and port.",
        lines={
            "agent": ("HTTPS_PROXY=http://NAME:PASSWORD@PROXY:3128   # or NO_PROXY=GATEWAY, to go straight",),
            "client": ("HTTPS_PROXY=http://NAME:PASSWORD@PROXY:3128",),
        },
    ),
    Diagnosis(
        name="tls-to-a-plain-port",
        checks=_TLS,
        seen={"tls": "InvalidContentType|corrupt message"},
        cause='The address says TLS, and the port speaks plaintext. Others call this "first record does not '
        'look like a TLS handshake" or "frame too large".',
        lines={
            "nginx": ("listen 443 ssl;", "ssl_certificate /path/to/chain.pem;"),
            "HAProxy": ("bind :443 ssl crt /path/to/bundle.pem alpn h2,http/1.1",),
            "Envoy": (
                "transport_socket: { name: envoy.transport_sockets.tls, ... }   # in the filter chain",
            ),
            "ALB": ("Listener: Protocol: HTTPS",),
            "agent": ("PENSTOCK_KEY=grpc://...   # only where the network in between is trusted",),
        },
    ),
    Diagnosis(
        name="http2-not-enabled",
        checks=_TLS,
        seen={"tls": "NoApplicationProtocol"},
        cause="The balancer speaks TLS and refuses HTTP/2 (ALPN has no h2), which gRPC needs.",
        lines=_HTTP2,
    ),
    Diagnosis(
        name="http2-not-enabled",
        checks=_TLS,
        seen={"detail": "HTTP/2 is not offered", "alpn": "none|http/1"},
        cause="The balancer speaks TLS and does not offer HTTP/2 (ALPN has no h2), which gRPC needs.",
        lines=_HTTP2,
    ),
    Diagnosis(
        name="wrong-certificate-name",
        checks=_TLS,
        seen={"distrust": "not valid for name|NotValidForName"},
        cause="The certificate is good, and for other names than the one that is dialled.",
        lines={
            "nginx": ("ssl_certificate /path/to/chain-with-this-name.pem;   # and server_name NAME;",),
            "HAProxy": ("bind :443 ssl crt /path/to/bundle-with-this-name.pem alpn h2,http/1.1",),
            "Envoy": ("filter_chain_match: { server_names: [NAME] }",),
            "ALB": ("Listener: Certificates: one whose names include NAME",),
            "agent": ("TLS_SERVER_NAME=NAME-IN-THE-CERTIFICATE",),
            "gateway": ("GRPC_URL=grpcs://NAME-IN-THE-CERTIFICATE:PORT",),
        },
    ),
    Diagnosis(
        name="intercepting-proxy",
        checks=_TLS,
        seen={"trust": "CA pinned", "distrust": "WrongCa|another CA"},
        cause="Not the gateway's own CA is shown, which the key or login pins: an intercepting proxy is in "
        "between (see the issuer), a balancer ends TLS with a certificate of its own, or the gateway has a "
        "new CA.",
        lines={
            "agent": ("PENSTOCK_KEY=...   # a new one, without ?ca=, where a balancer of yours ends TLS",),
            "client": ("penstock login   # shows the CA that is there now, and asks",),
            "gateway": (
                "ADVERTISE_CA_PIN=false   # where a balancer of yours ends TLS: keys have no pin then",
            ),
        },
    ),
    Diagnosis(
        name="unknown-ca",
        checks=_TLS,
        seen={"distrust": "UnknownIssuer"},
        cause="The certificate's issuer is not among those trusted here: a company's own CA, a chain "
        "without its intermediates, or an intercepting proxy.",
        lines={
            "agent": ("TLS_CA=/path/to/ca.pem",),
            "client": ("TLS_CA=/path/to/ca.pem   # or: penstock login --ca-pin sha256:...",),
            "nginx": ("ssl_certificate /path/to/chain.pem;   # the leaf first, then the intermediates",),
            "HAProxy": ("bind :443 ssl crt /path/to/bundle.pem   # leaf, intermediates, key",),
        },
    ),
    Diagnosis(
        name="self-signed-certificate",
        checks=_TLS,
        seen={"distrust": "CaUsedAsEndEntity"},
        cause="A CA's certificate stands for a server. It has to sign one for the server instead.",
        lines={
            "gateway": ("TLS_CERT=, TLS_KEY=   # unset: the gateway makes a CA and a certificate of its own",)
        },
    ),
    Diagnosis(
        name="expired-certificate",
        checks=_TLS,
        seen={"distrust": "expired|Expired"},
        cause="The certificate is not renewed, or its renewal was not loaded; or this machine's clock is "
        "fast.",
        lines={
            "nginx": ("nginx -s reload",),
            "HAProxy": ("systemctl reload haproxy",),
            "gateway": ("TLS_CERT=/path/to/renewed.pem   # and start it again",),
        },
    ),
    Diagnosis(
        name="clock-skew",
        checks=_TLS,
        seen={"distrust": "not valid yet|NotValidYet"},
        cause="The certificate begins in the future as this machine's clock has it: the clock is slow.",
        lines={"agent": ("timedatectl set-ntp true",), "client": ("timedatectl set-ntp true",)},
    ),
    Diagnosis(
        name="certificate-ends-soon",
        checks=_TLS,
        seen={"expires": "soon"},
        cause="Nothing is wrong yet: the certificate was not renewed, or the renewed one not loaded.",
        lines={"nginx": ("nginx -s reload",), "HAProxy": ("systemctl reload haproxy",)},
    ),
)
