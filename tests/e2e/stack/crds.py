"""The schemas of Istio's resources and of the Gateway API, out of the Go modules that publish them.

python -m tests.e2e.stack.crds     brings them, with progress
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.stack.peers import PeersError, cache, locked

MODULES = {
    "sigs.k8s.io/gateway-api@v1.4.0": (
        "h1:ZwlNM6zOHq0h3WUX2gfByPs2yAEsy/EenYJB78jpQfQ=",
        "config/crd/standard/gateway.networking.k8s.io_*.yaml",
    ),
    "istio.io/api@v1.28.0": (
        "h1:0fYY9G03CAdFwE/fCkpr0v7kKsy+Hz9OCCjLNBNLbnU=",
        "kubernetes/customresourcedefinitions.gen.yaml",
    ),
}
"""Module and version, the checksum that go.sum would hold, and where in it the definitions are."""

_SECONDS = 300


def definitions(folder: Path, tell: Callable[[str], None] = lambda _line: None) -> dict[tuple[str, str], Any]:
    """The OpenAPI schema of each apiVersion and kind; downloads into a cache folder what is not there yet.

    Raises PeersError.
    """
    target = folder / f"crds-{hashlib.sha256(repr(MODULES).encode()).hexdigest()[:16]}"
    if not target.is_dir():
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with locked(folder / "crds-lock"):
            if not target.is_dir():
                tell(f"Schemas: downloading {', '.join(MODULES)}")
                _bring(folder / "crds.partial", target)
    return dict(_schemas(target))


def _schemas(folder: Path) -> Iterator[tuple[tuple[str, str], Any]]:
    for file in sorted(folder.glob("*.yaml")):
        for found in yaml.safe_load_all(file.read_text("utf-8")):
            if not found:
                continue
            spec = found["spec"]
            for version in spec["versions"]:
                name = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
                yield name, version["schema"]["openAPIV3Schema"]


def _bring(partial: Path, target: Path) -> None:
    shutil.rmtree(partial, ignore_errors=True)
    kept = partial / "kept"
    kept.mkdir(parents=True)
    for module, (checksum, files) in MODULES.items():
        for file in sorted(_downloaded(module, checksum, partial).glob(files)):
            shutil.copy(file, kept)
    kept.rename(target)
    shutil.rmtree(partial)


def _downloaded(module: str, checksum: str, partial: Path) -> Path:
    if not (go := shutil.which("go")):
        raise PeersError("the schemas of manifests come as Go modules: install Go (golang-go)")
    # A cache of its own, which can be removed afterwards.
    environment = {**os.environ, "GOMODCACHE": str(partial / "modules"), "GOFLAGS": "-modcacherw"}
    done = subprocess.run(
        [go, "mod", "download", "-json", module],
        cwd=partial,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    if done.returncode:
        raise PeersError(
            f"`go mod download {module}` ended with {done.returncode}: {done.stdout}{done.stderr}"
        )
    found = json.loads(done.stdout)
    if found["Sum"] != checksum:
        raise PeersError(f"{module} has the checksum {found['Sum']}, and not {checksum}")
    return Path(found["Dir"])


def main() -> int:
    """Brings them; the exit code says whether they are there."""
    try:
        definitions(cache(), lambda line: print(f"==> {line}", flush=True))  # noqa: T201
    except PeersError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
