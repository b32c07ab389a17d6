"""Run a program that stops when its parent dies: ``python -m pipeline.overnight.die_with_parent PROGRAM …``.

A killed flow must not leave a DVC behind that starts the next command. The stage's own process decides for itself
(stages/__init__.py here, the launcher on a cluster).
"""

from __future__ import annotations

import os
import sys

from pipeline.common.processes import stop_with_parent

if __name__ == "__main__":
    stop_with_parent()  # survives the exec below
    os.execvp(sys.argv[1], sys.argv[1:])
