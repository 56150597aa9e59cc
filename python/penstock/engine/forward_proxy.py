"""Which addresses are reached through a forward proxy."""

from penstock import _core
from penstock.engine.errors import core_errors


def is_proxied(url: str, https_proxy: str, no_proxy: str) -> bool:
    """Whether a URL is reached through the proxy, by the rule that links go by: not if it is on this machine,
    and not if `no_proxy` names it.

    Raises :class:`PenstockError` for what is no proxy's URL.
    """
    with core_errors():
        return _core.is_proxied(url, https_proxy, no_proxy)
