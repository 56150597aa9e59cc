"""What requests and answers have in common."""

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """What a client sends: unknown fields are refused, numbers may stand for text."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, frozen=True)


class Shape(BaseModel):
    """What is answered."""

    model_config = ConfigDict(frozen=True)
