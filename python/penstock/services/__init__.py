"""The use cases: no HTTP, no SQL. Each gets what it needs as constructor arguments."""

from dataclasses import dataclass

from penstock.services.agents import Agents
from penstock.services.apps import Apps
from penstock.services.authentication import Authentication
from penstock.services.certificates import Certificates
from penstock.services.connections import Connections
from penstock.services.groups import Groups
from penstock.services.health import Health
from penstock.services.server import ServerInfo
from penstock.services.service_accounts import ServiceAccounts
from penstock.services.sessions import Sessions
from penstock.services.setup import Setup
from penstock.services.tokens import Tokens
from penstock.services.users import Users
from penstock.services.visits import Visits


@dataclass(frozen=True, slots=True)
class Services:
    """All that the API calls."""

    authentication: Authentication
    setup: Setup
    tokens: Tokens
    users: Users
    groups: Groups
    service_accounts: ServiceAccounts
    agents: Agents
    certificates: Certificates
    connections: Connections
    sessions: Sessions
    apps: Apps
    visits: Visits
    health: Health
    server: ServerInfo
