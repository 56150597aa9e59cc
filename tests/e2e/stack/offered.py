"""The files that callers behind a forward proxy fetch: a repository, a Python package, a list of apt's."""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

from tests.e2e.stack.destination import HELLO


def offer(folder: Path) -> None:
    """Makes them; each leads to the same words as `/hello`."""
    _repository(folder / "repository.git", folder / "work")
    _package(folder / "simple" / "sample")
    lists = folder / "apt"
    lists.mkdir()
    package = b"Package: sample\nVersion: 1\nArchitecture: all\nFilename: ./none.deb\nSize: 1\n"
    (lists / "Packages").write_bytes(package + b"Description: " + HELLO)


def _repository(bare: Path, work: Path) -> None:
    """As a plain web server offers one (gitprotocol-http, "dumb" clients)."""
    work.mkdir()
    (work / "hello").write_bytes(HELLO)
    person = {"NAME": "Ann", "EMAIL": "ann@example.com"}
    names = {
        f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in person.items()
    }
    own = {**os.environ, **names, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*command: str | Path) -> None:
        subprocess.run(["git", *map(str, command)], cwd=work, env=own, check=True, capture_output=True)

    git("init", "--quiet")
    git("add", "hello")
    git("commit", "--quiet", "--message", "Say hello")
    git("clone", "--quiet", "--bare", work, bare)
    git("--git-dir", bare, "update-server-info")


def _package(folder: Path) -> None:
    """As an index offers one (PEP 503)."""
    folder.mkdir(parents=True)
    name = "sample-1.0-py3-none-any.whl"
    about = "sample-1.0.dist-info"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        wheel.writestr("sample.py", HELLO)
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n")
        wheel.writestr(
            f"{about}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(
            f"{about}/RECORD", f"sample.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n"
        )
    (folder / "index.html").write_text(f'<!doctype html><a href="{name}">{name}</a>\n')
