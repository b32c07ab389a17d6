"""Under which circumstances results were made: revision, versions, times. Not part of the results: no two are equal."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from pipeline.timing.log import TIMES, last_works

_PACKAGES = ("roundabout", "torch", "torchvision", "numpy", "h5py", "pillow", "numba", "dvc")
_MADE = ("dvc.lock",)  # what `dvc repro` itself writes while it runs says nothing about the code


def circumstances(times: Path = TIMES) -> dict[str, Any]:
    """Git's revision of the current folder, versions, and what each stage's last result took, as far as it is known."""
    return {"git": git_state(), "versions": versions(), "times": stage_times(times)}


def git_state(folder: Path | None = None) -> dict[str, Any] | None:
    """The revision, and the files that differ from it; None outside a repository or without git."""
    try:
        revision = _git(folder, "rev-parse", "HEAD").strip()
        lines = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".").splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"revision": revision, "changed": sorted(line[3:] for line in lines if line[3:] not in _MADE)}


def versions() -> dict[str, str]:
    """Of Python and of the packages on which numbers may depend."""
    found = {"python": python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def stage_times(folder: Path = TIMES) -> dict[str, dict[str, Any]]:
    """Seconds, joules and killed attempts of the last result of each stage, by ``STAGE@NAME``."""
    return {f"{stage}@{name}": work._asdict() for (stage, name), work in last_works(folder).items()}


def _git(folder: Path | None, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout
