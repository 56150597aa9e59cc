"""The `VirtualService`: domains, and the routes below them."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from penstock.egress.paths import read_path
from penstock.egress.resources.resource import API, Duration, Metadata, Spec, Upgrade
from penstock.egress.resources.transformation import Transforming
from penstock.egress.values import Json, method, token


class HeaderMatcher(Spec):
    """A condition on a header."""

    name: Annotated[str, AfterValidator(token)]
    value: str = ""
    regex: bool = False
    invert_match: bool = False

    def compiled(self) -> Json:
        """As the core reads it: without a value the header must be there."""
        value = self.value or None
        return {
            "name": self.name,
            "value": value,
            "regex": self.regex and value is not None,
            "invert": self.invert_match,
        }


class ConnectMatcher(Spec):
    """Takes every CONNECT."""


class Matcher(Spec):
    """What a request must look like."""

    prefix: str | None = None
    exact: str | None = None
    regex: str | None = None
    connect_matcher: ConnectMatcher | None = None
    methods: list[Annotated[str, AfterValidator(method)]] = []
    headers: list[HeaderMatcher] = []
    case_sensitive: bool = True

    @model_validator(mode="after")
    def _names_one_path(self) -> Self:
        if (
            sum(value is not None for value in (self.prefix, self.exact, self.regex, self.connect_matcher))
            > 1
        ):
            raise ValueError("a matcher has one of prefix, exact, regex and connectMatcher")
        if not self.case_sensitive:
            raise ValueError("paths are compared with their case; write a regex that begins with (?i)")
        self.compiled([])
        return self

    def compiled(self, domains: list[str]) -> Json:
        """As the core reads it. Paths are of requests; CONNECT has none."""
        return {
            "domains": domains,
            "path": self._path(),
            "methods": self.methods,
            "headers": [header.compiled() for header in self.headers],
            "connect": self.connect_matcher is not None,
        }

    def _path(self) -> Json | None:
        found = {"prefix": self.prefix, "exact": self.exact, "regex": self.regex}
        written = {kind: value for kind, value in found.items() if value is not None}
        # The prefix / takes whatever has a path, however that is spelt.
        return None if not written or written == {"prefix": "/"} else read_path(written)


class ForwardTo(Spec):
    """Where the destination stands: in the request, unless one of these says otherwise."""

    host_rewrite: str | None = None
    auto_host_rewrite_header: Annotated[str, AfterValidator(token)] | None = None

    @model_validator(mode="after")
    def _says_one(self) -> Self:
        if self.host_rewrite is not None and self.auto_host_rewrite_header is not None:
            raise ValueError("dynamicForwardProxy has hostRewrite or autoHostRewriteHeader")
        return self


class RouteAction(Spec):
    """What a route does: this proxy forwards dynamically."""

    dynamic_forward_proxy: ForwardTo


class DirectResponse(Spec):
    """What a route answers by itself."""

    status: Literal[403]
    body: str = ""


class RouteOptions(Transforming):
    """Options of a route."""

    upgrades: list[Upgrade] = []
    timeout: Duration | None = None

    @model_validator(mode="after")
    def _terminates(self) -> Self:
        if any(upgrade.connect is not None for upgrade in self.upgrades):
            raise ValueError("CONNECT is not passed on to another proxy; a route has connectTerminate")
        return self

    @property
    def terminates_connect(self) -> bool:
        """Whether CONNECT becomes a tunnel."""
        found = (upgrade.connect_terminate for upgrade in self.upgrades)
        return any(upgrade is not None and upgrade.enabled for upgrade in found)


class Route(Spec):
    """One route."""

    name: str | None = None
    matchers: Annotated[list[Matcher], Field(min_length=1)] = [Matcher(prefix="/")]
    route_action: RouteAction | None = None
    direct_response_action: DirectResponse | None = None
    options: RouteOptions = RouteOptions()

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        if (self.route_action is None) == (self.direct_response_action is None):
            raise ValueError(
                "a route has routeAction with dynamicForwardProxy, or directResponseAction with status 403"
            )
        return self


class VirtualHost(Spec):
    """Domains, and the routes below them."""

    domains: list[Annotated[str, Field(min_length=1, max_length=260)]] = ["*"]
    routes: list[Route] = []
    options: Transforming = Transforming()


class SslFiles(Spec):
    """A certificate and its key, in files."""

    tls_cert: str
    tls_key: str
    root_ca: str | None = None


class SslConfig(Spec):
    """What the port shows."""

    ssl_files: SslFiles


class VirtualServiceSpec(Spec):
    """What a virtual service does."""

    virtual_host: VirtualHost
    ssl_config: SslConfig | None = None
    display_name: str | None = None


class VirtualService(Spec):
    """The resource."""

    api_version: API
    kind: Literal["VirtualService"]
    metadata: Metadata
    spec: VirtualServiceSpec
    status: Any = None
