"""IntraDA's digit experiment: source only, adapted, intra-domain, over several seeds, in both directions.

    python -m bench.digits [--presets digits-mnist-usps,digits-usps-mnist] [--seeds 1,2,3] [--images 2000]
                           [--jobs 3] [--docs]

The stages of a preset run one after another in one process, in a throw-away folder: under `dvc repro`, which runs the
same ones, DVC would hash and link tens of thousands of tiny files for each seed. ``--images`` takes so many of each
archive, evenly spaced. A control tells what more training alone earns: AdvEnt for as many steps as both steps have.
After each seed, figures go to the terminal and to bench/results/PRESET.json, with --docs also as a section into
docs/results.md.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from bench.accuracy import chain_steps, initial_steps, with_steps
from bench.collected import gain_row, mean_rows
from bench.results_page import write_lines
from bench.table import Row, machine, publish
from bench.workspace import ROOT, preset, write_params
from pipeline.common.files import read_json
from pipeline.common.processes import stop_with_parent
from pipeline.evaluation.over_seeds import percent_of, spread
from pipeline.training.loop import Interrupted

ACCURACY = "pixel_accuracy"  # every pixel of a digit has the digit's class: the share of images that are right
CONTROL = "advent-longer"
ROUND = ("dump", "selection", "patches", "adapt", "health")
MEANING = {
    "source-only": "source only",
    "advent": "adapted (inter-domain, AdvEnt)",
    CONTROL: "control: AdvEnt for as many steps as both",
    "intrada-1": "intra-domain (IntraDA)",
    "oracle": "trained on the target's labels",
}
PAPER = {
    "digits-mnist-usps": {"source-only": "82.2 ± 0.8", "advent": "95.6 ± 0.2", "intrada-1": "95.8 ± 0.1"},
    "digits-usps-mnist": {"source-only": "69.6 ± 3.8", "advent": "96.5 ± 0.1", "intrada-1": "97.8 ± 0.1"},
}

Values = dict[str, list[float]]
"""Accuracies by run, a value for each seed."""


def params_of(name: str, images: int | None) -> dict[str, Any]:
    """The preset, with so many images of each archive, and with the control."""
    params = preset(name)
    for split in ("source", "target", "evaluation"):
        params["data"][split] |= {"root": str(Path(ROOT / params["data"][split]["root"]).resolve()), "images": images}
    steps = initial_steps(params, "advent") + chain_steps(params, "intrada-1")
    params["initial_models"][CONTROL] = with_steps(params["initial_models"]["advent"], steps)
    return params


def call(stage: str, *arguments: str) -> None:
    """Runs a stage in this process. Raises SystemExit where it says what is wrong."""
    sys.argv = [stage, *arguments]
    importlib.import_module(f"stages.{stage}").main()


def accuracies(params: dict[str, Any]) -> dict[str, float]:
    """Runs starts, the control among them, and rounds in the current folder and answers the accuracy of each."""
    write_params(Path.cwd(), params)
    call("prepare")
    for name in params["initial_models"]:
        call("pretrain", "--initial-model", name)
    for name in params["rounds"]:
        for stage in ROUND:
            call(stage, "--round", name)
    for name in (*params["initial_models"], *params["rounds"]):
        call("evaluate", "--run", name)
    return {name: read_json(Path("runs") / name / "metrics.json")[ACCURACY] for name in MEANING}


def rows_of(values: Values) -> list[Row]:
    """Mean and spread of each run, and what the intra-domain step adds to the inter-domain one."""
    rows = []
    for run, accuracies in values.items():
        rows += mean_rows(run, "accuracy", accuracies)
    return [*rows, gain_row("gain of the intra-domain step", _gains(values))]


def lines_of(name: str, values: Values, how: str) -> list[str]:
    """The section of docs/results.md."""
    paper = PAPER.get(name, {})
    lines = [
        f"{how}.",
        "",
        "Accuracy on the target's test images in percent, mean ± standard deviation over the seeds:",
    ]
    lines += ["", "| run | accuracy | the paper, with CyCADA |", "|---|---|---|"]
    lines += [
        f"| {meaning} | {percent_of(spread(values[run]))} | {paper.get(run, '–')} |" for run, meaning in MEANING.items()
    ]
    return [*lines, f"| *intra-domain − adapted* | {percent_of(spread(_gains(values)), signed=True)} | – |"]


def _gains(values: Values) -> list[float]:
    return [after - before for after, before in zip(values["intrada-1"], values["advent"], strict=True)]


def accuracies_of_seed(name: str, images: int | None, seed: int) -> dict[str, float]:
    """The same in a throw-away folder."""
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            return accuracies(params_of(name, images) | {"seed": seed})
    except Interrupted as stopped:  # else a pool's process would wait for more to do after its parent has died
        os._exit(int(stopped.code or 1))


def measure(name: str, images: int | None, seeds: list[int], pool: Executor, command: str, docs: bool) -> None:
    """Runs all seeds of a preset and publishes after each."""
    before = time.perf_counter()
    values: Values = {run: [] for run in MEANING}
    answers = pool.map(partial(accuracies_of_seed, name, images), seeds)
    for count, (seed, answer) in enumerate(zip(seeds, answers, strict=True), 1):
        for run, value in answer.items():
            values[run].append(value)
        print(f"seed {seed}, {name}: " + ", ".join(f"{run} {100 * answer[run]:.2f}" for run in answer), flush=True)
        minutes = (time.perf_counter() - before) / 60
        note = f"{machine()}; seeds {','.join(map(str, seeds[:count]))}; {minutes:.0f} minutes in all"
        publish(name, rows_of(values), note)
        if docs:
            write_lines(name, lines_of(name, values, f"`{command}`; {note}"))


def main() -> None:
    """Measures each preset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--presets", default="digits-mnist-usps,digits-usps-mnist")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--images", type=int, help="so many of each archive; default: all")
    parser.add_argument("--jobs", type=int, default=1, help="seeds that run at a time, each in a process")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/results.md")
    arguments = parser.parse_args()
    command = " ".join(["python -m bench.digits", *sys.argv[1:]])
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    # spawned: a process has one current folder, and so has each seed
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.jobs, mp_context=context, initializer=stop_with_parent) as pool:
        for name in arguments.presets.split(","):
            measure(name, arguments.images, seeds, pool, command, arguments.docs)


if __name__ == "__main__":
    main()
