"""Secrets at rest."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from penstock.domain.errors import Code, PenstockError
from penstock.identity.secret_box import FernetBox


def test_what_is_sealed_opens_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    sealed = FernetBox.from_file(path).seal("hush ☃")
    assert "hush" not in sealed
    assert FernetBox.from_file(path).open(sealed) == "hush ☃"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_that_was_rotated_still_opens(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    old = FernetBox.from_file(path).seal("hush")
    path.write_bytes(Fernet.generate_key() + b"\n" + path.read_bytes())
    assert FernetBox.from_file(path).open(old) == "hush"


def test_a_wrong_or_broken_key_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    sealed = FernetBox.from_file(path).seal("hush")
    with pytest.raises(PenstockError, match="cannot be decrypted"):
        FernetBox([Fernet.generate_key()]).open(sealed)
    for broken in (b"", b"short\n"):
        path.write_bytes(broken)
        with pytest.raises(PenstockError, match="no valid key") as refused:
            FernetBox.from_file(path)
        assert refused.value.code is Code.INTERNAL
        assert refused.value.hint
