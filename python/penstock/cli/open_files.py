"""How many files a process of ours may have open: every connection is one."""

from __future__ import annotations

import resource


def raise_open_files() -> None:
    """Takes as many as the system allows this process (getrlimit(2)).

    The usual 1,024 are for programs that wait with select(2), which none of ours does.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Where the hard one is none at all, not every system takes it for the soft one.
    if hard != resource.RLIM_INFINITY and soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
