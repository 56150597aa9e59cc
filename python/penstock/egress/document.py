"""The whole file, and what of it the core is told."""

from typing import Annotated, Self

from pydantic import BeforeValidator, model_validator

from penstock.domain.addresses import parse_address
from penstock.egress.callers import Caller
from penstock.egress.dns import Dns
from penstock.egress.listeners import Connect, Listener
from penstock.egress.part import Part
from penstock.egress.profiles import Profile, Rule
from penstock.egress.protection import (
    AccessLog,
    Breakers,
    Guard,
    Limits,
    Outliers,
    Retries,
    Timeouts,
    UpstreamTls,
)
from penstock.egress.routes import Route
from penstock.egress.values import Json, Listen, Name, Texts, several

DEFAULT_LISTEN = "127.0.0.1:3128"

EVERYBODY = "everybody"
"""The profile that the rules at the top of the file become; it comes last."""

_SAME = ("connect", "guard", "dns", "breakers", "outliers", "retries", "timeouts", "limits", "upstream_tls")


class Document(Part):
    """A configuration file of the forward proxy."""

    listen: Annotated[list[Listen], BeforeValidator(several)] = []
    """Ports of which no more is said, one or a list. Without any port: `127.0.0.1:3128`."""
    admin_listen: Listen | None = None
    """`/metrics`, `/stats`, `/config_dump`, `/ready` and `/live`. Unset: no port."""
    resources: Texts = []
    """Files with `Gateway` and `VirtualService` resources, which then say ports, routes, DNS and breakers."""
    anonymous: bool | None = None
    """Whether callers may prove nothing. Unset: only while none is listed and every port is on loopback."""
    realm: str = "penstock"
    """What callers without a credential are told that they need one for."""
    rule: list[Rule] = []
    """Rules for everybody, after those of all profiles."""

    listener: list[Listener] = []
    """Ports of which more is said."""
    connect: Connect = Connect()
    """CONNECT: tunnels, as for `https://`."""
    caller: dict[Name, Caller] = {}
    """Who may call, by name: `[caller.NAME]`."""
    profile: list[Profile] = []
    """Rules for some callers. Without any rule, all destinations are allowed that `guard` lets through."""
    route: list[Route] = []
    """Where requests go; the first that holds acts, and none is a 404. Without any: where they ask."""
    guard: Guard = Guard()
    """Addresses that may be dialled."""
    dns: Dns = Dns()
    """How names are resolved."""
    breakers: Breakers = Breakers()
    """Circuit breakers."""
    outliers: Outliers = Outliers()
    """Addresses that fail."""
    retries: Retries = Retries()
    """Repetitions."""
    timeouts: Timeouts = Timeouts()
    """Timeouts."""
    limits: Limits = Limits()
    """Limits."""
    upstream_tls: UpstreamTls = UpstreamTls()
    """TLS to destinations."""
    access_log: AccessLog = AccessLog()
    """The access log."""

    @model_validator(mode="after")
    def _names_are_its_own(self) -> Self:
        ports = self.ports()
        _unique("listener", [port["name"] for port in ports])
        _unique("profile", [profile.name for profile in self.profile])
        for profile in self.profile:
            _unique(
                f"rule of profile {profile.name!r}", [rule["name"] for rule in profile.compiled()["rules"]]
            )
        _unique("rule", [rule.numbered(at)["name"] for at, rule in enumerate(self.rule, start=1)])
        _unique("route", [route.numbered(at)["name"] for at, route in enumerate(self.route, start=1)])
        if EVERYBODY in (profile.name for profile in self.profile):
            raise ValueError(f"the profile {EVERYBODY!r} is made of the rules at the top of the file")
        return self

    def ports(self) -> list[Json]:
        """The listeners, as the core reads them."""
        listen = self.listen if self.listen or self.listener else [DEFAULT_LISTEN]
        short = [Listener(address=address) for address in listen]
        names = [f"egress-{at}" if at > 1 else "egress" for at in range(1, len(short) + 1)]
        ports = [{**port.compiled(), "name": name} for port, name in zip(short, names, strict=True)]
        ports += [port.compiled() for port in self.listener]
        return [{**port, "connect": self._connects(port["connect"])} for port in ports]

    def compiled(self) -> Json:
        """As the core reads it."""
        profiles = [profile.compiled() for profile in self.profile]
        if self.rule:
            rules = Profile(name=EVERYBODY, principals=["*"], rule=self.rule)
            profiles.append(rules.compiled())
        ports = self.ports()
        callers = {
            "anonymous": self._anonymous(ports),
            "realm": self.realm,
            "list": [caller.known_as(name) for name, caller in self.caller.items()],
        }
        return {
            "listeners": ports,
            "admin_listen": self.admin_listen,
            "callers": callers,
            "profiles": profiles,
            "default_action": "deny" if profiles else "allow",
            "routes": [route.numbered(at) for at, route in enumerate(self.route, start=1)],
            "access_log": self.access_log.compiled(),
            **{name: getattr(self, name).compiled() for name in _SAME},
        }

    def _connects(self, said: bool | None) -> bool:
        return self.connect.enabled if said is None else said

    def _anonymous(self, ports: list[Json]) -> bool:
        if self.anonymous is not None:
            return self.anonymous
        return not self.caller and all(is_loopback(port["address"]) for port in ports)


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches this ``HOST:PORT``."""
    host = parse_address(address).host
    return host in ("localhost", "::1") or host.startswith("127.")


def _unique(what: str, names: list[str]) -> None:
    for at, name in enumerate(names):
        if name in names[:at]:
            raise ValueError(f"two of {what} are called {name!r}; names tell them apart in logs")
