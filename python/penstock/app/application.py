"""Finds the application that a worker serves: ``MODULE:APP``, imported from the working directory."""

import importlib
import sys
from functools import reduce
from pathlib import Path
from typing import cast

from penstock.domain.errors import malformed
from penstock.worker import ASGIApplication

_HINT = "write it as MODULE:APP, for example main:app, in the folder that holds main.py"


def is_upstream(serves: str) -> bool:
    """Whether this is the URL of an upstream, and not ``MODULE:APP``."""
    return "://" in serves or serves.startswith("unix:")


def load_application(serves: str) -> ASGIApplication:
    """Imports it. Raises ``malformed`` naming what is not there, and what the module itself raises."""
    module_name, colon, path = serves.partition(":")
    if not colon or not path or not module_name or module_name.startswith("."):
        raise malformed(f"{serves!r} is neither MODULE:APP nor a URL", hint=_HINT)
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        application = reduce(getattr, path.split("."), _import(module_name))
    except AttributeError:
        raise malformed(f"module {module_name!r} has no attribute {path!r}", hint=_HINT) from None
    if not callable(application):
        raise malformed(f"{serves} is no application: it cannot be called", hint="name an ASGI application")
    return cast("ASGIApplication", application)


def _import(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not _is_part(error.name, name):
            raise
        raise malformed(f"there is no module {name!r}", hint=_HINT) from None


def _is_part(missing: str | None, name: str) -> bool:
    """Whether it is this module that is missing, or a package above it, and not one that it imports."""
    return missing is not None and f"{name}.".startswith(f"{missing}.")
