"""The user's name, which a container's user may lack: DVC, torch and others end with a KeyError then."""

from __future__ import annotations

import getpass
import os


def has_name() -> bool:
    """Return whether the system or a variable (LOGNAME, USER) names this process's user."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        return False
    return True


def require_name() -> None:
    """Name a user without a name after its number, for this process and its children."""
    if not has_name():
        os.environ["USER"] = os.environ["LOGNAME"] = f"uid-{os.getuid()}"
