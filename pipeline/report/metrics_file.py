"""report/metrics.json: the few numbers that `dvc exp show`, `dvc metrics` and editors list of a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.common.files import write_json
from pipeline.report.chains import Chain
from pipeline.report.seed_set import Bundle, SeedSet

METRICS = "metrics.json"
Numbers = dict[str, float | str]


def write_metrics(record: dict[str, Any], folder: Path) -> None:
    """Write metrics.json of a workspace's record into a folder."""
    write_json(folder / METRICS, metrics_of(SeedSet([Bundle(record, {}, {}, folder)])))


def metrics_of(seed_set: SeedSet) -> dict[str, Any]:
    """Return the numbers of each chain's last round, in percent; of several chains, below the chain's name.

    What is not known is left out. A single chain has no name here, so that a longer or renamed chain keeps its columns.
    """
    by_chain = {_key(chain.label): _numbers(seed_set, chain) for chain in seed_set.chains}
    return next(iter(by_chain.values())) if len(by_chain) == 1 else dict(by_chain)


def _numbers(seed_set: SeedSet, chain: Chain) -> Numbers:
    last, control = chain.last, seed_set.controls.get(chain.last)
    gains = {"gain": seed_set.gain(last), "gain_over_control": seed_set.gain(last, control) if control else None}
    shares = {
        _key(seed_set.headline): seed_set.spread(last, seed_set.headline),
        **gains,
        **{what: seed_set.spread(last, "pseudo_labels", what) for what in ("coverage", "precision")},
    }
    numbers: Numbers = {key: _percent(share.mean) for key, share in shares.items() if share is not None}
    closed, verdict = seed_set.gap_closed(last), seed_set.runs(last)[0].get("health", {}).get("verdict")
    if closed is not None:
        numbers["gap_closed"] = _percent(closed)
    return numbers if verdict is None else {**numbers, "health": verdict}


def _percent(share: float) -> float:
    return round(100 * share, 2)


def _key(name: str) -> str:
    """Return a name without dots, which DVC reads as a table in a table."""
    return name.replace(".", "_")
