"""What scheduling costs a stage: `dvc repro` of one stage through the launcher, less the time of the stage itself.

Here, and on Slurm where `sbatch` is (tests/cluster/slurm.sh starts one). The stage waits two seconds and writes a file.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bench.table import Row, machine, publish
from bench.workspace import ROOT, run

REPEATS, WAIT = 5, 2.0
STAGE = """
import sys, time
from pathlib import Path
from pipeline.common.work import publish
time.sleep({wait})
made = Path(".roundabout") / sys.argv[-1]
made.write_text(str(time.time_ns()))
publish(made, Path("runs") / sys.argv[-1])
"""
SITE = {"defaults": {"where": "slurm", "gpus": 1, "cpus": 1, "memory": 500, "time": 5}}


def make_workspace(folder: Path) -> None:
    """A DVC workspace with the real launcher and a stage that waits, with it and without."""
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "stages").mkdir()
    for name in ("__init__", "launch", "run"):
        shutil.copyfile(ROOT / "stages" / f"{name}.py", folder / "stages" / f"{name}.py")
    (folder / "stages" / "pretrain.py").write_text(STAGE.format(wait=WAIT))
    (folder / "params.yaml").write_text("seed: 1\n")
    (folder / ".roundabout").mkdir()
    stages: dict[str, dict[str, Any]] = {
        name: {
            "cmd": f"exec python -m stages.{command} --initial-model {name}",
            "deps": ["stages"],
            "outs": [f"runs/{name}"],
        }
        for name, command in (("plain", "pretrain"), ("launched", "launch pretrain"))
    }
    stages["launched"]["meta"] = {"gpu": True, "program": "pretrain"}
    with (folder / "dvc.yaml").open("w", encoding="utf-8") as file:
        YAML().dump({"stages": stages}, file)
    (folder / ".dvcignore").write_text("__pycache__\n")
    run(folder, "dvc", "init", "--no-scm", "--quiet")


def seconds_of(folder: Path, stage: str) -> float:
    """Median time that `dvc repro` of the stage takes beyond the stage's own."""
    seconds = []
    for _ in range(REPEATS):
        before = time.perf_counter()
        run(folder, "dvc", "repro", "--force", "--single-item", stage)
        seconds.append(time.perf_counter() - before - WAIT)
    return statistics.median(seconds)


def main() -> None:
    """Runs the stage in a throw-away workspace and publishes the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_workspace(folder)
        plain, here = seconds_of(folder, "plain"), seconds_of(folder, "launched")
        rows = [
            Row("dvc repro of one stage without the launcher, beyond the stage's time", plain, "s", None, None),
            Row("the same through the launcher, here", here, "s", "≤ 3", here <= 3),
        ]
        if shutil.which("sbatch"):
            with (folder / "site.yaml").open("w", encoding="utf-8") as file:
                YAML().dump(SITE, file)
            slurm = seconds_of(folder, "launched")
            rows.append(Row("the same through the launcher, as a job of an idle Slurm", slurm, "s", "≤ 6", slurm <= 6))
    publish("launcher", rows, f"{machine()}; median of {REPEATS}")


if __name__ == "__main__":
    main()
