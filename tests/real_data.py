"""Where the real data sets are that some tests read: `python -m tests.real_data` prints the folder."""

from __future__ import annotations

import os
from pathlib import Path

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"
FOLDER = Path(os.environ.get("ROUNDABOUT_DATA") or DEFAULT).resolve()

if __name__ == "__main__":
    print(FOLDER)
