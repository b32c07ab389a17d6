"""The environment of results: revision, versions, times. Not part of the results: it differs from run to run."""

from __future__ import annotations

import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from pipeline.timing.log import TIMES, last_works

_PACKAGES = ("roundabout", "torch", "torchvision", "numpy", "h5py", "pillow", "numba", "dvc")
_WRITTEN_BY_DVC = ("dvc.lock",)  # while it runs: says nothing about the code


def describe_environment(times: Path = TIMES, device: str = "auto") -> dict[str, Any]:
    """Return the current folder's git revision, versions, this machine, and what each stage's last result took."""
    return {"git": git_state(), "versions": versions(), "machine": machine(device), "times": stage_times(times)}


def machine(device: str = "auto") -> dict[str, Any]:
    """Return processor, threads and device that stages compute with here, and today's date (UTC)."""
    import torch

    name = device
    if device == "auto" or device.startswith("cuda"):
        name = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {
        "processor": processor(Path("/proc/cpuinfo")),
        "threads": torch.get_num_threads(),
        "device": name,
        "date": datetime.now(UTC).date().isoformat(),
    }


def processor(cpuinfo: Path) -> str:
    """Return the processor's name as Linux knows it, or its architecture."""
    with suppress(OSError):
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return " ".join(value.split())
    return platform.machine() or "unknown processor"


def git_state(folder: Path | None = None) -> dict[str, Any] | None:
    """Return the revision and the files that differ from it; None outside a repository or without git."""
    try:
        revision = _git(folder, "rev-parse", "HEAD").strip()
        lines = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".").splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"revision": revision, "changed": sorted(line[3:] for line in lines if line[3:] not in _WRITTEN_BY_DVC)}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages on which numbers may depend."""
    known = {"python": python_version()}
    for name in _PACKAGES:
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            continue
    return known


def stage_times(folder: Path = TIMES) -> dict[str, dict[str, Any]]:
    """Return seconds, joules and killed attempts of the last result of each stage, by ``STAGE@NAME``."""
    return {f"{stage}@{name}": work._asdict() for (stage, name), work in last_works(folder).items()}


def _git(folder: Path | None, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout
