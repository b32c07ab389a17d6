"""A job's output, copied to the driver's terminal as it grows."""

from __future__ import annotations

import sys
from pathlib import Path


class JobLog:
    """Log files of a job's folder: one, or one for each task of an array."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shown: dict[Path, int] = {}

    def skip(self) -> None:
        """Skip what is there now: an earlier driver has printed it, or it belongs to an earlier job."""
        self._shown = {path: path.stat().st_size for path in self._files()}

    def show(self) -> None:
        """Print what is new, in whole lines, so that those of several tasks do not mix."""
        for path in self._files():
            with path.open("rb") as file:
                file.seek(self._shown.get(path, 0))
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            if whole:
                sys.stdout.write(whole.decode("utf-8", "replace"))
                sys.stdout.flush()
                self._shown[path] = self._shown.get(path, 0) + len(whole)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("log*.txt"))
