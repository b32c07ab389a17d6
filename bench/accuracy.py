"""What adaptation earns: source-only, each round and the oracle over several seeds, mean and standard deviation.

    python -m bench.accuracy [--preset streets] [--seeds 1,2,3]

Each seed runs the preset's whole pipeline in a throw-away workspace. The table goes to the terminal, the figures to
bench/results/accuracy-PRESET.json.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.table import Row, machine, publish
from bench.workspace import ROOT, make_workspace, preset, run, write_params
from pipeline.files import read_json

CONTROL = "source-only, as many steps"


def results_of(params: dict[str, Any]) -> dict[str, Any]:
    """Runs the pipeline once and answers report/results.json."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "main"
        make_workspace(folder, params)
        (Path(name) / "shared").symlink_to(ROOT.parent / "shared")  # where the presets of real pairs look for data
        run(folder, "dvc", "repro")
        answer: dict[str, Any] = read_json(folder / "report" / "results.json")
        answer["control"] = _longer_source_only(folder, params)[answer["headline"]]
        return answer


def _longer_source_only(folder: Path, params: dict[str, Any]) -> dict[str, Any]:
    """Metrics of source-only trained for as many steps as the last round has seen: what more training alone earns."""
    steps = params["pretrain"]["steps"] + len(params["rounds"]) * params["adapt"]["steps"]
    write_params(folder, params | {"pretrain": params["pretrain"] | {"steps": steps}})
    run(folder, "dvc", "repro", "evaluate-start@source-only")
    metrics: dict[str, Any] = read_json(folder / "runs" / "source-only" / "metrics.json")
    return metrics


def spread(values: list[float]) -> str:
    """Mean ± standard deviation in percent."""
    deviation = statistics.stdev(values) if len(values) > 1 else float("nan")
    return f"{100 * statistics.mean(values):.2f} ± {100 * deviation:.2f}"


def main() -> None:
    """Runs all seeds and publishes means, spreads and the gain of the last round."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--preset", default="streets")
    parser.add_argument("--seeds", default="1,2,3")
    arguments = parser.parse_args()
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    before = time.perf_counter()
    runs: dict[str, list[float]] = {}
    classes: dict[str, dict[str, list[float]]] = {}
    headline = "mIoU"
    for seed in seeds:
        answer = results_of(preset(arguments.preset) | {"seed": seed})
        headline = answer["headline"]
        for row in answer["runs"]:
            runs.setdefault(row["name"], []).append(row[headline])
            for name, value in row["IoU"].items():
                if value is not None:
                    classes.setdefault(row["name"], {}).setdefault(name, []).append(value)
        runs.setdefault(CONTROL, []).append(answer["control"])
        shown = ", ".join(f"{name} {100 * values[-1]:.2f}" for name, values in runs.items())
        print(f"seed {seed}: {shown}", flush=True)
    rounds = list(preset(arguments.preset)["rounds"])
    rows = [Row(f"{name}: {headline}", 100 * statistics.mean(values), "%", None, None) for name, values in runs.items()]
    rows += [
        Row(f"{name}: standard deviation", 100 * statistics.stdev(values), "%", None, None)
        for name, values in runs.items()
        if len(values) > 1
    ]
    gains = [adapted - source for adapted, source in zip(runs[rounds[-1]], runs["source-only"], strict=True)]
    gain, noise = statistics.mean(gains), statistics.stdev(gains) if len(gains) > 1 else 0.0
    rows.append(Row(f"gain of {rounds[-1]}", 100 * gain, "points", f"> spread ({100 * noise:.2f})", gain > noise))
    rows += [
        Row(f"{name}: {label}", 100 * statistics.mean(values), "%", None, None)
        for name in ("source-only", rounds[-1], "oracle")
        for label, values in classes.get(name, {}).items()
    ]
    minutes = (time.perf_counter() - before) / 60
    publish(f"accuracy-{arguments.preset}", rows, f"{machine()}; seeds {arguments.seeds}; {minutes:.0f} minutes in all")
    for name, values in runs.items():
        print(f"{name:14s} {spread(values)}")


if __name__ == "__main__":
    main()
