"""MODULE:APP, as a worker is told it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from penstock.app.application import is_upstream, load_application
from penstock.domain.errors import PenstockError

MODULE = "worker_test_shop"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A working directory with a module and a package, forgotten afterwards."""
    (tmp_path / f"{MODULE}.py").write_text("def app(): ...\nclass site:\n    inner = app\nnumber = 1\n")
    (tmp_path / f"{MODULE}_broken.py").write_text("import worker_test_missing\n")
    (tmp_path / f"{MODULE}_package").mkdir()
    (tmp_path / f"{MODULE}_package" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    yield
    for name in [name for name in sys.modules if name.startswith(MODULE)]:
        del sys.modules[name]


@pytest.mark.parametrize("serves", [f"{MODULE}:app", f"{MODULE}:site.inner"])
def test_it_is_imported_from_the_working_directory(serves: str) -> None:
    assert callable(load_application(serves))


@pytest.mark.parametrize(
    ("serves", "wrong"),
    [
        (MODULE, "neither MODULE:APP nor a URL"),
        (":app", "neither"),
        (f"{MODULE}:", "neither"),
        ("worker_test_nowhere:app", "no module"),
        (f"{MODULE}_package.nowhere:app", "no module"),
        ("..:app", "neither"),
        (f"{MODULE}:nothing", "no attribute"),
        (f"{MODULE}:number", "cannot be called"),
    ],
)
def test_what_is_not_there_is_named(serves: str, wrong: str) -> None:
    with pytest.raises(PenstockError, match=wrong) as refused:
        load_application(serves)
    assert refused.value.hint


def test_an_import_that_fails_inside_the_module_is_its_own() -> None:
    with pytest.raises(ModuleNotFoundError, match="worker_test_missing"):
        load_application(f"{MODULE}_broken:app")


def test_urls_are_told_from_modules() -> None:
    assert all(map(is_upstream, ["http://a:1", "https://a", "h2c://a", "unix:/run/app.sock"]))
    assert not any(map(is_upstream, ["main:app", "package.main:app"]))
