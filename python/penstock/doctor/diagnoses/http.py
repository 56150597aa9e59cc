"""What answers instead of the gateway."""

from penstock.doctor.finding import Diagnosis

_GRPC = frozenset({"grpc"})
_HTTP2 = frozenset({"http2"})

FORWARD = {
    "nginx": (
        "location /protobuf.Transport/Connect {",
        "    client_max_body_size 0;",
        "    grpc_pass grpc://GATEWAY:8010;   # grpcs:// where the gateway speaks TLS",
        "}",
    ),
    "HAProxy": (
        "use_backend penstock_grpc if { path_beg /protobuf.Transport }",
        "backend penstock_grpc",
        "    server gateway GATEWAY:8010 proto h2   # ssl alpn h2 where the gateway speaks TLS",
    ),
    "Envoy": (
        "route: match { prefix: /protobuf.Transport }, route { cluster: penstock_grpc, timeout: 0s }",
        "cluster: explicit_http_config { http2_protocol_options: {} }",
    ),
    "ALB": (
        "rule: path /protobuf.Transport/* forwards to the gRPC target group",
        "target group: ProtocolVersion: GRPC, Port: 8010",
    ),
}
"""How each forwards gRPC to the gateway."""

HTTP = (
    Diagnosis(
        name="plain-to-a-tls-port",
        checks=_HTTP2,
        seen={"tls": "spoken"},
        cause='The address says plaintext, and the port speaks TLS. Others call this "frame too large".',
        lines={
            "agent": ("PENSTOCK_KEY=grpcs://...   # or https://, instead of grpc:// or http://",),
            "client": ('grpc_url = "grpcs://..."   # in config.toml; or: penstock login',),
            "gateway": ("GRPC_URL=grpcs://NAME:PORT   # what keys and logins are given",),
        },
    ),
    Diagnosis(
        name="http2-not-enabled",
        checks=_HTTP2,
        seen={"first": "HTTP/1"},
        cause="What listens here answers in HTTP/1.1, and gRPC needs HTTP/2.",
        lines={
            "nginx": ("http2 on;            # before nginx 1.25.1: listen 80 http2;",),
            "HAProxy": ("mode http            # and bind ... alpn h2,http/1.1 where it speaks TLS",),
            "Envoy": ("codec_type: AUTO",),
            "ALB": ("routing.http2.enabled=true   # and an HTTPS listener, for gRPC target groups",),
        },
    ),
    Diagnosis(
        name="grpc-as-http1",
        checks=_GRPC,
        seen={"grpc": "^3$", "message": "needs HTTP/2"},
        cause="The call reaches the gateway, rewritten to HTTP/1: its streams would hang.",
        lines=FORWARD,
    ),
    Diagnosis(
        name="body-size-limit",
        checks=_GRPC,
        seen={"status": "413"},
        cause="The balancer limits the size of bodies, and a link is one body without end.",
        lines={
            "nginx": ("client_max_body_size 0;   # in location /protobuf.Transport/Connect",),
            "Envoy": ("remove envoy.filters.http.buffer from the route of /protobuf.Transport",),
        },
    ),
    Diagnosis(
        name="gateway-unreachable",
        checks=_GRPC,
        seen={"status": "502|503|504"},
        cause="The balancer is asked for gRPC, and cannot reach the gateway's gRPC port, or speaks to it in "
        "another way than it listens: TLS to plaintext, HTTP/1.1 to HTTP/2.",
        lines=FORWARD,
    ),
    Diagnosis(
        name="gateway-unreachable",
        checks=_GRPC,
        seen={"grpc": "^14$"},
        cause="The balancer answers in the gateway's place, in gRPC's words: it cannot reach the gateway's "
        "gRPC port.",
        lines=FORWARD,
    ),
    Diagnosis(
        name="login-before-grpc",
        checks=_GRPC,
        seen={"status": "30[12378]|401|403|407"},
        cause="Something in front wants a login of its own, or sends elsewhere. It cannot do that to gRPC: "
        "the gateway checks every call itself.",
        lines={
            "nginx": ("auth_request off; auth_basic off;   # in location /protobuf.Transport/Connect",),
            "HAProxy": ("http-request redirect ... unless { path_beg /protobuf.Transport }",),
            "Envoy": ("typed_per_filter_config: { envoy.filters.http.ext_authz: { disabled: true } }",),
            "ALB": ("a rule for /protobuf.Transport/* before the one with authenticate-oidc",),
        },
    ),
    Diagnosis(
        name="grpc-not-forwarded",
        checks=_GRPC,
        seen={"status": "200|400|404|405|411|415|426|464|501|505"},
        cause="HTTP/2 is spoken, and /protobuf.Transport/Connect is answered by something that is not the "
        "gateway.",
        lines=FORWARD,
    ),
    Diagnosis(
        name="reset-internal-error",
        checks=_GRPC,
        seen={"reset": "INTERNAL_ERROR"},
        cause="What stands between resets the call: it reaches no HTTP/2 behind it, or a VPN client breaks "
        "it.",
        lines=FORWARD,
    ),
)
