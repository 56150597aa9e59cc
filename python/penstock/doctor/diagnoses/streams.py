"""What happens to streams that were accepted."""

from penstock.doctor.finding import Diagnosis

_ROUND_TRIP = frozenset({"round-trip"})
_MESSAGE = frozenset({"message"})
_IDLE = frozenset({"idle"})
_SILENT = frozenset({"silent"})

_TIMEOUTS = {
    "nginx": (
        "grpc_read_timeout 1h;",
        "grpc_send_timeout 1h;",
        "client_body_timeout 1h;   # all three: each alone cuts",
    ),
    "HAProxy": ("timeout client 1h", "timeout server 1h   # timeout tunnel does not count for gRPC"),
    "Envoy": ("stream_idle_timeout: 0s   # http_connection_manager", "timeout: 0s   # route"),
    "ALB": ("idle_timeout.timeout_seconds=4000",),
}

STREAMS = (
    Diagnosis(
        name="body-size-limit",
        checks=_MESSAGE,
        seen={"stream": "."},
        cause="Small messages pass and a large one does not: the balancer limits the size of bodies, and a "
        "link is one body without end.",
        lines={
            "nginx": ("client_max_body_size 0;   # in location /protobuf.Transport/Connect",),
            "Envoy": ("remove envoy.filters.http.buffer from the route of /protobuf.Transport",),
        },
    ),
    Diagnosis(
        name="idle-cut",
        checks=_IDLE,
        seen={"stream": "."},
        cause="Idle links are cut although both sides send PINGs: the balancer's limit is shorter than the "
        "time between them.",
        lines={
            **_TIMEOUTS,
            "gateway": ("LINK_KEEPALIVE_SECONDS=15   # a third of the shortest limit in between, or less",),
            "agent": ("LINK_KEEPALIVE_SECONDS=15",),
        },
    ),
    Diagnosis(
        name="silence-cut",
        checks=_SILENT,
        seen={"stream": "."},
        cause="The balancer cuts streams that carry nothing for so long. Links are not silent, as the line "
        "before says: this is what their PINGs are measured by.",
        lines={
            **_TIMEOUTS,
            "gateway": ("LINK_KEEPALIVE_SECONDS=15   # a third of this time, or less",),
        },
    ),
    Diagnosis(
        name="reset-internal-error",
        checks=_ROUND_TRIP,
        seen={"stream": "INTERNAL_ERROR|Internal"},
        cause="What stands between accepts the call and resets its stream: it speaks no HTTP/2 to what is "
        "behind it, or a VPN client breaks it.",
        lines={},
    ),
    Diagnosis(
        name="streams-do-not-pass",
        checks=_ROUND_TRIP,
        seen={"detail": "."},
        cause="The call is accepted, and no bytes come through: the balancer buffers or transforms bodies.",
        lines={
            "nginx": ("grpc_pass grpc://GATEWAY:8010;   # not proxy_pass",),
            "HAProxy": ("no option http-buffer-request", "no filter compression   # for /protobuf.Transport"),
            "Envoy": ("remove envoy.filters.http.buffer from the route of /protobuf.Transport",),
        },
    ),
)
