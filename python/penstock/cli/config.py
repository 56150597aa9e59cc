"""What `login` leaves behind for the other commands: `config.toml` in the home folder."""

from __future__ import annotations

import os
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

from penstock.cli.errors import Refusal

DEFAULT_API_URL = "https://127.0.0.1:8009"


@dataclass(frozen=True)
class Config:
    """The gateway that this home is logged in to. Empty strings stand for what is not known."""

    api_url: str = DEFAULT_API_URL
    grpc_url: str = ""
    ca_pin: str = ""
    """`sha256:` and the hex digest of the trusted CA's DER; empty where the system's roots suffice."""
    ca_file: str = ""
    email: str = ""
    token_store: str = ""
    """`keyring` or `file`; empty when logged out."""
    token_expires_at: str = ""


def load(home: Path) -> Config:
    """Reads the configuration; the defaults if there is none. Refuses a file that it cannot read."""
    path = home / "config.toml"
    try:
        stored = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Config()
    except (OSError, ValueError) as error:
        raise Refusal(
            f"{path} cannot be read: {error}", hint="Mend or delete the file, then run: penstock login"
        ) from error
    return Config(**{name: str(stored[name]) for name in Config.__dataclass_fields__ if name in stored})


def save(home: Path, config: Config) -> None:
    """Writes the configuration, 0600, keeping comments and names that are not ours."""
    import tomlkit

    path = home / "config.toml"
    document = tomlkit.parse(path.read_text("utf-8")) if path.exists() else tomlkit.document()
    for name, value in asdict(config).items():
        if value:
            document[name] = value
        else:
            document.pop(name, None)
    write_private(path, tomlkit.dumps(document))


def write_private(path: Path, text: str) -> None:
    """Replaces a file in one step; nobody but its owner can ever read it (0600 in a 0700 folder)."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
