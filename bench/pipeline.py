"""What DVC costs, and what it runs again: nothing, after a round's portion has changed, and after edits of the code.

``python -m bench.pipeline edits`` measures the last of these only, in a workspace where no stage runs.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench.table import Row, machine, publish
from bench.workspace import make_workspace, preset, run, write_params

REPEATS = 5
EDITS = {
    "a layout": "pipeline/datasets/layouts/synthia.py",
    "a message": "pipeline/common/errors.py",
    "a message of params": "pipeline/params/messages.py",
    "a checkpoint kind": "pipeline/checkpoints/kinds.py",
    "the report": "pipeline/report/page/render.py",
    "the viewer": "pipeline/viewer/app.py",
    "a params type": "pipeline/params/training.py",
    "the verdict": "pipeline/health/verdict.py",
    "a loss": "pipeline/training/losses.py",
}
"""Files that are edited one by one; `dvc repro --dry` then names the stages that would run."""
TRAINS = ("translate", "pretrain", "dump", "adapt", "evaluate")


def tiny_params() -> dict:  # type: ignore[type-arg]
    """The generated streets with few images and few steps: the stages are the same."""
    params = preset("streets-lse")
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


def stages_after_edit(folder: Path, path: str) -> list[str]:
    """Return the stages that DVC would run after an edit of a file, which is taken back."""
    file = folder / path
    before = file.read_bytes()
    file.write_bytes(before + b"\n# edited\n")
    try:
        return stages_run(run(folder, "dvc", "repro", "--dry").stdout)
    finally:
        file.write_bytes(before)


def edit_rows(after: dict[str, list[str]]) -> list[Row]:
    """One row for each edit: the stages that would run; of a loss alone may any of them be a heavy one."""
    rows = []
    for edit, stages in after.items():
        heavy = [stage for stage in stages if stage.startswith(TRAINS)]
        goal = "≥ 1" if "loss" in edit else "0"
        rows.append(
            Row(f"heavy stages run after an edit of {edit}", len(heavy), "", goal, bool(heavy) == ("loss" in edit))
        )
    return rows


def edits() -> None:
    """List what DVC would run after each edit, in a workspace whose outputs are recorded without being computed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_workspace(folder, tiny_params())
        run(folder, sys.executable, "-c", WRITE_OUTPUTS)
        run(folder, "dvc", "commit", "--force")
        untouched = stages_run(run(folder, "dvc", "repro", "--dry").stdout)
        after = {edit: stages_after_edit(folder, path) for edit, path in EDITS.items()}
    rows = [Row("stages run without an edit", len(untouched), "", "0", not untouched), *edit_rows(after)]
    publish("edits", rows, "edits of " + ", ".join(EDITS.values()), stages=after)
    for edit, stages in after.items():
        print(f"{edit}: {', '.join(stages) or 'nothing'}")


WRITE_OUTPUTS = """
from pathlib import Path
from dvc.repo import Repo
for stage in Repo().index.stages:
    for out in stage.outs:
        path = Path(out.def_path) if Path(out.def_path).suffix else Path(out.def_path) / "file"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(path))
"""


def timings() -> None:
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


def main() -> None:
    """Measures both, or what would run after edits only."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="?", choices=["edits"], help="measure this only; default: everything")
    if parser.parse_args().only is None:
        timings()
    edits()


if __name__ == "__main__":
    main()
