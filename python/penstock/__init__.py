"""Penstock: an open, identity-aware access gateway."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.proxy import ReverseProxy as ReverseProxy
    from penstock.worker import MutualTLSRequired as MutualTLSRequired
    from penstock.worker import WorkerPool as WorkerPool

__version__ = "0.1.0"

# Imported when they are asked for: a command line that loads neither starts sooner.
_LIBRARY = {
    "MutualTLSRequired": "penstock.worker",
    "ReverseProxy": "penstock.proxy",
    "WorkerPool": "penstock.worker",
}
__all__ = ["MutualTLSRequired", "ReverseProxy", "WorkerPool", "__version__"]


def __getattr__(name: str) -> object:
    if name not in _LIBRARY:
        raise AttributeError(f"module 'penstock' has no attribute {name!r}")
    return getattr(import_module(_LIBRARY[name]), name)
