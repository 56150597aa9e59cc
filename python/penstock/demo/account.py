"""Which account the database runs as: PostgreSQL refuses to be root."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from penstock.cli.config import private_folder
from penstock.cli.errors import Refusal

# capabilities(7). Root's own folders (0700) stay closed to others; the database may pass through them all the
# same, instead of their permissions being widened. Containers often have only the second one to give.
_CAPABILITIES = {2: "dac_read_search", 1: "dac_override"}


@dataclass(frozen=True)
class Account:
    """The account, and the command that changes to it."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()

    def own(self, folder: Path) -> None:
        """Makes a 0700 folder that belongs to the account. Refuses one that somebody else made."""
        private_folder(folder)
        facts = folder.lstat()
        if (
            not stat.S_ISDIR(facts.st_mode)
            or facts.st_uid not in (self.uid, os.geteuid())
            or facts.st_mode & 0o077
        ):
            raise Refusal(
                f"{folder} is not a private folder of the demo's.", hint="Delete it, or use --home DIR."
            )
        if facts.st_uid != self.uid:
            os.chown(folder, self.uid, self.gid)


def database_account() -> Account:
    """The user's own account; for root `nobody`. Raises `Refusal` where root cannot become anybody else."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    tool = shutil.which("setpriv")
    capability = _available()
    if not tool or not capability:
        raise Refusal(
            "PostgreSQL does not run as root, and from here it cannot change to another account.",
            hint="Run the demo as an ordinary user.",
        )
    entry = pwd.getpwnam("nobody")
    prefix = (
        tool,
        f"--reuid={entry.pw_uid}",
        f"--regid={entry.pw_gid}",
        "--clear-groups",
        "--no-new-privs",
        f"--inh-caps=-all,+{capability}",
        f"--ambient-caps=-all,+{capability}",
        "--",
    )
    return Account(entry.pw_uid, entry.pw_gid, prefix)


def _available() -> str | None:
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except FileNotFoundError:
        return None
    mask = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
    return next((name for bit, name in _CAPABILITIES.items() if mask >> bit & 1), None)
