"""What the gateway itself says, and the API."""

from penstock.doctor.finding import Diagnosis

_CREDENTIAL = frozenset({"credential"})
_API = frozenset({"api"})
_FORWARD = {
    "nginx": ("location / { proxy_pass http://GATEWAY:8009; }   # https:// where the gateway speaks TLS",),
    "HAProxy": ("default_backend penstock_api", "server gateway GATEWAY:8009"),
    "Envoy": ("route: match { prefix: / }, route { cluster: penstock_api }   # after /protobuf.Transport",),
    "ALB": ("target group: ProtocolVersion: HTTP1, Port: 8009, health check GET /api/healthz",),
}

GATEWAY = (
    Diagnosis(
        name="credential-refused",
        checks=_CREDENTIAL,
        seen={"code": "unauthenticated|forbidden"},
        cause="The way is open, and the gateway does not take the credential: revoked, expired, or of "
        "another gateway.",
        lines={
            "agent": ("PENSTOCK_KEY=...   # from: penstock admin create agent NAME",),
            "client": ("penstock login",),
        },
    ),
    Diagnosis(
        name="gateway-busy",
        checks=_CREDENTIAL,
        seen={"code": "limited|draining"},
        cause="The gateway is stopping, or has enough to do: try again in a minute.",
    ),
    Diagnosis(
        name="request-buffered",
        checks=_CREDENTIAL,
        seen={"detail": "did not answer within|no answer within"},
        cause="Short calls pass and streams do not: the balancer wants the whole request before it forwards "
        "any of it, and a link is a request without end.",
        lines={
            "nginx": ("grpc_pass grpc://GATEWAY:8010;   # not proxy_pass",),
            "HAProxy": ("no option http-buffer-request",),
            "Envoy": ("remove envoy.filters.http.buffer from the route of /protobuf.Transport",),
        },
    ),
    Diagnosis(
        name="api-not-trusted",
        checks=_API,
        seen={"api": "certificate|self.signed|Hostname mismatch"},
        cause="The API's certificate is not the one of this login, or not for this name.",
        lines={"client": ("penstock login   # shows the CA that is there now, and asks",)},
    ),
    Diagnosis(
        name="api-unwell",
        checks=_API,
        seen={"status": "503", "type": "json"},
        cause="The gateway answers and cannot work: it is starting or stopping, or its store does not "
        "answer.",
        lines={"gateway": ("curl http://127.0.0.1:19000/ready   # and its log",)},
    ),
    Diagnosis(
        name="api-not-forwarded",
        checks=_API,
        seen={"status": "[0-9]"},
        cause="/api/healthz is answered by something that is not the gateway.",
        lines=_FORWARD,
    ),
    Diagnosis(
        name="api-unreachable",
        checks=_API,
        seen={"api": "."},
        cause="Nothing answers for the API: it is on 8009 of the gateway, beside gRPC on 8010.",
        lines=_FORWARD,
    ),
    Diagnosis(
        name="clock-skew",
        checks=frozenset({"clock"}),
        seen={"skew": "."},
        cause="The clocks differ: certificates begin and end at the wrong time, and recordings and logs do "
        "not fit together.",
        lines={
            "agent": ("timedatectl set-ntp true",),
            "client": ("timedatectl set-ntp true",),
            "gateway": ("timedatectl set-ntp true   # on the balancer, too: its Date is what was read",),
        },
    ),
)
