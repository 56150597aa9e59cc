"""What goes wrong before anything is said."""

from penstock.doctor.finding import Diagnosis

NETWORK = (
    Diagnosis(
        name="unknown-name",
        checks=frozenset({"name"}),
        seen={"detail": "has no address"},
        cause="The name is not known to this machine's resolver: misspelt, or only known inside another "
        "network.",
        lines={
            "gateway": ("GRPC_URL=grpcs://NAME:PORT   # the name that agents and clients can resolve",),
            "client": ("penstock login --api-url https://NAME:PORT   # takes the gateway's addresses anew",),
        },
    ),
    Diagnosis(
        name="slow-name",
        checks=frozenset({"name"}),
        seen={"timeout": "name"},
        cause="The resolver of this machine does not answer: see /etc/resolv.conf, and whether a VPN is up.",
    ),
    Diagnosis(
        name="nobody-listens",
        checks=frozenset({"tcp"}),
        seen={"tcp": "refused"},
        cause="The machine is there and the port is closed: the gateway or the balancer does not run, or "
        "listens elsewhere.",
        lines={
            "gateway": ("GRPC_LISTEN=0.0.0.0:8010",),
            "nginx": ("listen 443 ssl;",),
            "HAProxy": ("bind :443 ssl crt /path/to/bundle.pem alpn h2,http/1.1",),
        },
    ),
    Diagnosis(
        name="firewall",
        checks=frozenset({"tcp"}),
        seen={"tcp": "timeout|unreachable"},
        cause="Nothing answers: a firewall or security group drops the packets, or there is no route (is "
        "the VPN up?).",
        lines={"ALB": ("the security group: allow inbound TCP on the listener's port from here",)},
    ),
)
