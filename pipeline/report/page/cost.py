"""Cost of the results: time of each stage, energy where a meter was read, bytes on disk."""

from __future__ import annotations

from typing import Any

from pipeline.evaluation.over_seeds import Spread, plus_minus, spread
from pipeline.report.page.table import DASH, Cell, Row, Table
from pipeline.report.seed_set import SeedSet

_STAGES = ("pretrain", "dump", "selection", "patches", "adapt", "health", "evaluate")


def duration(seconds: float) -> str:
    """Return ``0.4 s``, ``42 s``, ``3 min 05 s``, ``2 h 07 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """Return bytes with a unit, in powers of 1000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 99.5 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def times_table(seed_set: SeedSet) -> Table | None:
    """Return the wall time by run and stage; None where nothing is recorded."""
    if not any(bundle.environment["times"] for bundle in seed_set.bundles):
        return None
    empty = [Cell("")] * len(_STAGES)
    rows = [Row("prepare", [*empty, _time(_seconds(seed_set, "prepare", ""))])]
    for name in seed_set.names:
        values = [_seconds(seed_set, stage, name) for stage in _STAGES]
        rows.append(Row(name, [*(_time(value) for value in values), _total(seed_set, name)]))
    rows.append(Row("all", [*empty, _everything(seed_set)]))
    per_seed = "mean ± sd over the seeds" if len(seed_set.seeds) > 1 else "of the last result"
    killed = sum(entry["unknown"] for bundle in seed_set.bundles for entry in bundle.environment["times"].values())
    lost = f" {killed} killed attempt(s) left no time: what they took is missing." if killed else ""
    return Table(
        f"Wall time of each stage, {per_seed}",
        "run",
        [*_STAGES, "sum"],
        rows,
        "From the start of the stage's process to its end, attempts that were resumed included; –: not recorded here "
        f"(a stage from DVC's cache, or the log was deleted). DVC's own seconds per stage are not in it.{lost}",
    )


def energy_line(seed_set: SeedSet) -> str:
    """Return a sentence with the energy that the meters counted, or that there was no meter."""
    joules: dict[str, float] = {}
    for bundle in seed_set.bundles:
        for entry in bundle.environment["times"].values():
            for meter, value in entry["joules"].items():
                joules[meter] = joules.get(meter, 0.0) + value
    if not joules:
        return "Energy: not known; this machine has no meter that may be read (RAPL, NVML)."
    words = {"cpu": "processors (RAPL)", "gpu": "GPUs (NVML)"}
    parts = [f"{words.get(meter, meter)} {value / 3.6e6:.3g} kWh" for meter, value in joules.items()]
    return f"Energy while the stages ran, other programs' share included: {', '.join(parts)}."


def sizes_table(seed_set: SeedSet) -> Table | None:
    """Return the sizes of the rounds' caches and patches; None without rounds."""
    rows = []
    for name in [name for name in seed_set.names if name in seed_set.inits]:
        caches = [run["cache"] for run in seed_set.runs(name) if "bytes" in run.get("cache", {})]
        patches = spread(float(run["patches"]["count"]) for run in seed_set.runs(name) if "patches" in run)
        selected = spread(float(run["selection"]["images"]) for run in seed_set.runs(name) if "selection" in run)
        total = spread(float(cache["bytes"]) for cache in caches)
        each = spread(cache["bytes"] / cache["images"] for cache in caches)
        rows.append(
            Row(
                name,
                [
                    DASH if total is None else Cell(size(total.mean)),
                    DASH if each is None else Cell(size(each.mean)),
                    _count(selected),
                    _count(patches),
                ],
            )
        )
    columns = ["cache", "cache per image", "images selected", "patches"]
    return Table("What the rounds keep", "round", columns, rows) if rows else None


def _count(value: Spread | None) -> Cell:
    return DASH if value is None else Cell(f"{value.mean:g}" if value.deviation is None else f"{value.mean:.1f}")


def _entries(seed_set: SeedSet, stage: str, name: str) -> list[dict[str, Any]]:
    entries = [bundle.environment["times"].get(f"{stage}@{name}") for bundle in seed_set.bundles]
    return [entry for entry in entries if entry is not None]


def _seconds(seed_set: SeedSet, stage: str, name: str) -> Spread | None:
    return spread(entry["seconds"] for entry in _entries(seed_set, stage, name))


def _total(seed_set: SeedSet, name: str) -> Cell:
    """Total time of one run over the seeds that recorded any."""
    sums = [
        sum(times[f"{stage}@{name}"]["seconds"] for stage in _STAGES if f"{stage}@{name}" in times)
        for times in (bundle.environment["times"] for bundle in seed_set.bundles)
    ]
    return _time(spread(value for value in sums if value))


def _everything(seed_set: SeedSet) -> Cell:
    sums = [
        sum(entry["seconds"] for key, entry in bundle.environment["times"].items() if not key.startswith("report@"))
        for bundle in seed_set.bundles
    ]
    return _time(spread(value for value in sums if value))


def _time(value: Spread | None) -> Cell:
    return DASH if value is None else Cell(duration(value.mean), plus_minus(value, duration))
