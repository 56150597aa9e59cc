"""Private files and folders."""

from pathlib import Path

import pytest
from penstock.domain.errors import PenstockError
from penstock.identity.private_files import private_folder, write_private


def test_a_folder_is_made_or_closed_to_others(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "a" / "b")
    folder.chmod(0o755)
    assert private_folder(folder).stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PenstockError, match="cannot write") as refused:
        private_folder(tmp_path / "file" / "home")
    assert "PENSTOCK_HOME" in str(refused.value.hint)


def test_a_file_is_replaced_as_a_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]
    with pytest.raises(PenstockError, match="cannot write"):
        write_private(tmp_path / "nowhere" / "key", b"")
