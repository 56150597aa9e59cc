"""What login leaves behind."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import keyring
import pytest
from penstock.cli import config as configs
from penstock.cli import credential
from penstock.cli.config import Config
from penstock.cli.errors import Refusal


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    configs.save(home, Config(api_url="https://x.test"))
    credential.store(home, "secret", keyring=False)
    assert [mode(home / name) for name in ("..", ".", "config.toml", "token")] == [
        0o700,
        0o700,
        0o600,
        0o600,
    ]


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('# mine\ncolour = "blue"\nca_pin = "old"\n')
    configs.save(tmp_path, Config(api_url="https://x.test"))
    text = path.read_text()
    assert "# mine" in text
    assert 'colour = "blue"' in text
    assert configs.load(tmp_path) == Config(api_url="https://x.test")


@pytest.mark.parametrize("broken", [b"api_url = ", b"\xff\xfe"])
def test_a_broken_file_is_named(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "config.toml").write_bytes(broken)
    with pytest.raises(Refusal, match=r"config\.toml cannot be read"):
        configs.load(tmp_path)


def test_the_environment_is_above_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credential.store(tmp_path, "stored", keyring=False)
    monkeypatch.delenv("PENSTOCK_TOKEN", raising=False)
    assert credential.load(tmp_path, Config()) == "stored"
    monkeypatch.setenv("PENSTOCK_TOKEN", "given")
    assert credential.load(tmp_path, Config()) == "given"


class Memory:
    """A keyring that works. No subclass of theirs: those become the process's own."""

    priority = 5.0

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


class Locked(Memory):
    """A keyring that waits for somebody who is not there."""

    def get_password(self, service: str, username: str) -> str | None:
        time.sleep(60)
        return None


class Absent(Memory):
    """What stands for a keyring where there is none."""

    priority = 0.0


class Broken(Memory):
    """A keyring that fails as they do."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError("no session bus")


def use(monkeypatch: pytest.MonkeyPatch, backend: Memory) -> None:
    monkeypatch.delenv("PENSTOCK_TOKEN", raising=False)
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
    monkeypatch.setattr(credential, "_KEYRING_SECONDS", 0.2)


def test_a_working_keyring_keeps_the_token_per_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Memory()
    use(monkeypatch, backend)
    one, other = tmp_path / "one", tmp_path / "other"
    assert credential.store(one, "t1") == "keyring"
    assert credential.store(other, "t2") == "keyring"
    kept = Config(token_store="keyring")
    assert credential.load(one, kept) == "t1"
    credential.forget(one, kept)
    assert credential.load(one, kept) is None
    assert credential.load(other, kept) == "t2"
    assert not list(tmp_path.rglob("token"))


@pytest.mark.parametrize("backend", [Locked(), Broken(), Absent()])
def test_a_keyring_that_does_not_work_is_replaced_by_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: Memory
) -> None:
    use(monkeypatch, backend)
    assert credential.store(tmp_path, "token") == "file"
    assert credential.load(tmp_path, Config(token_store="file")) == "token"


def test_a_keyring_that_locked_itself_later_is_an_error_not_a_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Locked())
    with pytest.raises(Refusal, match="keyring does not work: no answer"):
        credential.load(tmp_path, Config(token_store="keyring"))
