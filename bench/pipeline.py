"""What DVC costs, and what it runs again: a no-op `dvc repro`, and one after a round's portion has changed."""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from pathlib import Path

from bench.table import Row, machine, publish
from bench.workspace import make_workspace, preset, run, write_params

REPEATS = 5


def tiny_params() -> dict:  # type: ignore[type-arg]
    """The demo with few images and few steps: the stages are the same."""
    params = preset("streets")
    for split, images in (("source", 8), ("target", 48), ("evaluation", 4)):
        params["data"][split]["images"] = images
        params["data"][split]["draw_size"] = [64, 128]
    params["data"]["size"] = [64, 128]
    params["model"] = {"architecture": "small", "encoder": "mobilenet-v3-small", "normalisation": "train"}
    params["pretrain"] |= {"steps": 4, "batch": 2}
    params["adapt"] |= {"steps": 2, "batch": 1, "source_batch": 1}
    params["evaluate"]["gallery"] = 1
    return params


def stages_run(output: str) -> list[str]:
    """The stages that a `dvc repro` says it ran."""
    return re.findall(r"Running stage '([^']+)'", output)


def main() -> None:
    """Runs the tiny pipeline in a throw-away workspace and publishes the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        params = tiny_params()
        make_workspace(folder, params)
        run(folder, "dvc", "repro")
        seconds, ran = [], []
        for _ in range(REPEATS):
            before = time.perf_counter()
            ran += stages_run(run(folder, "dvc", "repro").stdout)
            seconds.append(time.perf_counter() - before)
        params["rounds"]["lse-2"]["portion"] = 1.0
        write_params(folder, params)
        again = stages_run(run(folder, "dvc", "repro").stdout)
    expected = ("@lse-2", "@lse-3", "report")
    others = [stage for stage in again if not stage.endswith(expected)]
    trained = [stage for stage in again if stage in ("adapt@lse-2", "adapt@lse-3")]
    median = statistics.median(seconds)
    rows = [
        Row("no-op dvc repro", median, "s", "≤ 5", median <= 5),
        Row("stages that a no-op runs", len(ran), "", "0", not ran),
        Row("stages run after lse-2's portion changed", len(again), "", None, None),
        Row("of them, not of lse-2, lse-3 or the report", len(others), "", "0", not others),
        Row("of them, adapt of lse-2 and of lse-3", len(trained), "", "2", len(trained) == 2),
    ]
    publish("pipeline", rows, f"{machine()}; {REPEATS} no-ops; after the change: {', '.join(again)}")


if __name__ == "__main__":
    main()
