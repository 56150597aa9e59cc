"""``/api/healthz``: whether the gateway can do its work."""

from starlette.responses import JSONResponse

from penstock.api.permission import Permission
from penstock.api.route import Endpoint
from penstock.services.health import Health


class HealthResource:
    """For load balancers and people in a hurry."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        return [Endpoint(method="GET", path="/api/healthz", call=self.get, permission=Permission.PUBLIC)]

    async def get(self) -> JSONResponse:
        """200 if it can, 503 with the reason if it cannot."""
        trouble = await self._health.trouble()
        if trouble is None:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "unavailable", "reason": trouble}, 503)
