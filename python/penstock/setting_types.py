"""What a setting's text may be, and what is made of it."""

from ipaddress import ip_interface, ip_network
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from penstock.domain.addresses import advertised_url, parse_address
from penstock.pem import read_pem


def _address(value: str) -> str:
    return str(parse_address(value))


def _comma_list(value: object) -> object:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_network(text) for text in value)


def _network(text: str) -> str:
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is neither an address nor a network like 10.0.0.0/8") from None
    if "/" in text and str(ip_interface(text).ip) != str(found.network_address):
        raise ValueError(
            f"{text!r} has bits set behind its prefix: is {found} meant, or {text.split('/')[0]}?"
        )
    return str(found)


def _pem(value: SecretStr) -> SecretStr:
    return SecretStr(read_pem(value.get_secret_value()))


def upper(value: object) -> object:
    """Words in capitals; what is no text is left to the type."""
    return value.upper() if isinstance(value, str) else value


def lower(value: object) -> object:
    """Words in small letters; what is no text is left to the type."""
    return value.lower() if isinstance(value, str) else value


def flavour(value: object) -> object:
    """``h2`` is the other name of ``swap``."""
    return "swap" if lower(value) == "h2" else lower(value)


ListenAddress = Annotated[str, AfterValidator(_address)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list)]
Networks = Annotated[Names, AfterValidator(_networks)]
Pem = Annotated[SecretStr, AfterValidator(_pem)]
Seconds = Annotated[int, Field(ge=1, le=31_536_000)]
HttpUrl = Annotated[str, AfterValidator(lambda value: advertised_url(value, ("https", "http")))]
GrpcUrl = Annotated[
    str, AfterValidator(lambda value: advertised_url(value, ("grpcs", "grpc", "https", "http")))
]
