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
    """The API's own CA: `sha256:` and the hex digest of its DER; empty where the system's roots suffice."""
    ca_file: str = ""
    grpc_ca_pin: str = ""
    """The same for the gRPC address, as the gateway told it."""
    insecure: str = ""
    """`yes` if plaintext may leave this machine, because the user said so at login."""
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
        hint = "Mend or delete the file, then run: penstock login"
        raise Refusal(f"{path} cannot be read: {error}", hint=hint) from error
    known = Config.__dataclass_fields__
    return Config(**{name: str(value) for name, value in stored.items() if name in known})


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


def private_folder(path: Path) -> None:
    """Makes a folder, and those above it that are missing, for their owner alone (0700)."""
    for folder in reversed([path, *path.parents]):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)


def write_private(path: Path, text: str) -> None:
    """Replaces a file in one step; nobody but its owner ever reads it (0600 in a 0700 folder)."""
    private_folder(path.parent)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
