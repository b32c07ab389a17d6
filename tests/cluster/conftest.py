"""A Slurm of our own for the tests, and a workspace that runs on it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from on_slurm import Workspace

SCRIPT = Path(__file__).with_name("slurm.sh")


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One node with two GPUs that are none, on loopback; stopped at the end. Or one that is there: SLURM_CONF."""
    if "SLURM_CONF" in os.environ:
        yield
        return
    if os.geteuid() != 0 or (shutil.which("slurmctld") is None and shutil.which("apt-get") is None):
        pytest.skip("needs root, and Slurm or Debian's packages of it, to start a Slurm of its own")
    folder = tmp_path_factory.mktemp("slurm")
    started = subprocess.run([SCRIPT, "up", folder], capture_output=True, text=True, check=False, timeout=280)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        os.environ["SLURM_CONF"] = started.stdout.split()[-1]
        yield
    finally:
        subprocess.run([SCRIPT, "down", folder], check=False)
        os.environ.pop("SLURM_CONF", None)


@pytest.fixture
def workspace(slurm: None, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace whose jobs and drivers end with the test."""
    made = Workspace(tmp_path / "workspace")
    yield made
    made.end()
