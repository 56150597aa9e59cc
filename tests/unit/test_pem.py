"""PEM as settings give it."""

import base64
from pathlib import Path

import pytest
from penstock.pem import read_pem

PEM = "-----BEGIN X-----\nAAAA\n-----END X-----\n"


def test_text_base64_and_paths_mean_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x.pem").write_text(PEM)
    encoded = base64.b64encode(PEM.encode()).decode()
    for value in (PEM, encoded, f" {encoded}\n", str(tmp_path / "x.pem"), "./x.pem", "~/x.pem\n"):
        assert read_pem(value) == PEM


@pytest.mark.parametrize("content", [b"hush", b"\xff\xfe", b""])
def test_a_file_that_is_none_is_named_and_not_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.pem"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="names the file") as refused:
        read_pem(str(path))
    assert "hush" not in str(refused.value)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(ValueError, match="cannot be read: "):
            read_pem(str(path))
