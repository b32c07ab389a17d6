"""A workspace that runs on the tests' Slurm, and what tests ask Slurm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bench.pipeline import tiny_params
from bench.workspace import make_workspace

SITE = {"where": "slurm", "partition": "gpu", "gpus": 1, "cpus": 1, "memory": 1500, "time": 30}


class Workspace:
    """A small copy of the project in a folder, with a site.yaml that says slurm."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._drivers: list[subprocess.Popen[str]] = []
        params = tiny_params()
        params["initial_models"] = {"source-only": params["initial_models"]["source-only"]}
        params["rounds"] = {"lse-1": params["rounds"]["lse-1"]}
        params["pretrain"]["steps"] = 60
        params["adapt"] |= {"batch": 2, "source_batch": 2}
        params["runtime"] = {"device": "cpu", "workers": 1, "checkpoint_every": 1, "log_every": 5}
        self.params = params
        make_workspace(folder, params)
        self.site()

    def site(self, stages: dict[str, Any] | None = None, **defaults: Any) -> None:
        """Writes site.yaml."""
        with (self.folder / "site.yaml").open("w", encoding="utf-8") as file:
            YAML().dump({"defaults": {**SITE, **defaults}, "stages": stages or {}}, file)

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Starts a command in a session of its own; its output is kept apart from ours."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(self.folder), "DVC_NO_ANALYTICS": "1"}
        driver = subprocess.Popen(
            command, cwd=self.folder, env=environment, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._drivers.append(driver)
        return driver

    def run(self, *command: str, timeout: float = 800) -> tuple[int, str]:
        """Runs a command; answers its exit code and what it said."""
        driver = self.start(*command)
        said = driver.communicate(timeout=timeout)[0]
        return driver.returncode, said

    def repro(self, *arguments: str) -> str:
        """Runs `dvc repro`, which must end well."""
        code, said = self.run("dvc", "repro", *arguments)
        assert code == 0, said
        return said

    def jobs(self, stage: str) -> list[str]:
        """Numbers of all jobs of a stage in this workspace that Slurm remembers, over or not."""
        names = [path.name for path in (self.folder / ".roundabout" / "jobs").glob(f"{stage}[~-]*") if path.is_dir()]
        if not names:
            return []
        return ask("squeue", "--states=all", "--noheader", "--format=%A", f"--name={','.join(names)}").split()

    def checkpoint(self) -> Path | None:
        """A checkpoint of a stage at work."""
        return next((self.folder / ".roundabout" / "work").glob("*/checkpoint.pt"), None)

    def end(self) -> None:
        """Ends what this workspace has started, and only that."""
        for driver in self._drivers:
            if driver.poll() is None:
                os.killpg(driver.pid, signal.SIGKILL)
                driver.communicate()
        for number in {
            number for stage in ("pretrain", "dump", "adapt", "health", "evaluate") for number in self.jobs(stage)
        }:
            subprocess.run(["scancel", number], check=False, capture_output=True)


def ask(*command: str) -> str:
    """What a command of Slurm answers."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def until(claim: Callable[[], Any], what: str, seconds: float = 240) -> Any:
    """Waits until it is true, and answers it."""
    end = time.monotonic() + seconds
    while not (found := claim()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s for: {what}"
        time.sleep(0.1)
    return found
