"""Peak memory of every stage at N and at 10 N generated images: it must not grow with the number of images."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench.pipeline import tiny_params
from bench.table import Row, machine, publish
from bench.workspace import make_workspace, run

IMAGES = 40
# An image of 128x256 is 98 kB as RGB, 156 kB as logits: who kept either would show it.
GOAL = 30.0
STAGES = (
    ("prepare", []),
    ("pretrain", ["--initial-model", "source-only"]),
    ("dump", ["--round", "lse-1"]),
    ("selection", ["--round", "lse-1"]),
    ("patches", ["--round", "lse-1"]),
    ("adapt", ["--round", "lse-1"]),
    ("health", ["--round", "lse-1"]),
    ("evaluate", ["--run", "lse-1"]),
    ("report", []),
)

_MEASURE = """
import re, resource, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
finally:
    # VmHWM, not ru_maxrss: that one begins at the size of the process that started this one
    own = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read()).group(1))
    print("PEAK", max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""


def peak_megabytes(folder: Path, stage: str, arguments: list[str]) -> float:
    """Largest resident set of a stage's processes."""
    answer = run(folder, sys.executable, "-c", _MEASURE, f"stages.{stage}", *arguments)
    return int(answer.stdout.rsplit("PEAK", 1)[1]) / 1024


def peaks(images: int) -> dict[str, float]:
    """Peak memory of every stage over so many source, target and evaluation images."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        params = tiny_params()
        for split in ("source", "target", "evaluation"):
            params["data"][split] |= {"images": images, "draw_size": [128, 256]}
        params["data"]["size"] = [128, 256]
        params["dump"]["part_images"] = 8  # many parts in both, so that the smaller run has reached its peak
        params["rounds"]["lse-1"]["portion"] = 1.0
        make_workspace(folder, params)
        return {stage: peak_megabytes(folder, stage, arguments) for stage, arguments in STAGES}


def main() -> None:
    """Measures both sizes and publishes the ratio for each stage."""
    small, large = peaks(IMAGES), peaks(10 * IMAGES)
    rows = []
    for stage, _ in STAGES:
        added = 1024 * (large[stage] - small[stage]) / (9 * IMAGES)
        rows.append(Row(f"{stage}, {IMAGES} images", small[stage], "MB", None, None))
        rows.append(Row(f"{stage}, {10 * IMAGES} images", large[stage], "MB", None, None))
        rows.append(Row(f"{stage}, growth per added image", added, "kB", f"≤ {GOAL:.0f}", added <= GOAL))
    publish("memory", rows, f"{machine()}; peak resident set, 128x256 images")


if __name__ == "__main__":
    main()
