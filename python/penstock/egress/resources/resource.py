"""What the resources have in common."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from penstock.egress.values import duration_ms, some_duration_ms

Duration = Annotated[int, BeforeValidator(duration_ms)]
SomeDuration = Annotated[int, BeforeValidator(some_duration_ms)]
Count = Annotated[int, Field(ge=0, le=2**32 - 1)]
API = Literal["gateway.solo.io/v1"]


class Spec(BaseModel):
    """A table of a resource: keys as they are there, unknown ones refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, alias_generator=to_camel
    )


class Metadata(Spec):
    """A resource's name, and what the cluster notes beside it, which says nothing of what it does."""

    name: str
    namespace: str = "default"
    labels: dict[str, str] | None = None
    annotations: Any = None
    creation_timestamp: Any = None
    finalizers: Any = None
    generation: Any = None
    managed_fields: Any = None
    owner_references: Any = None
    resource_version: Any = None
    self_link: Any = None
    uid: Any = None


class Enabled(Spec):
    """A switch, which is on where it is written."""

    enabled: bool = True


class Upgrade(Spec):
    """One protocol that a connection may change to."""

    connect: Enabled | None = None
    connect_terminate: Enabled | None = None
    websocket: Enabled | None = None
