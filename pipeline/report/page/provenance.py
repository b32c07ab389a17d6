"""Provenance of the results: revision, versions, data, params."""

from __future__ import annotations

import json
from typing import Any

from pipeline.report.page.table import Cell, Row, Table
from pipeline.report.record import SPLITS
from pipeline.report.seed_set import SeedSet

_SHORT = 12  # characters of a revision


def facts(seed_set: SeedSet) -> list[tuple[str, str]]:
    """Return (what, value), each once where the seeds agree."""
    environments = [bundle.environment for bundle in seed_set.bundles]
    rows = [("seeds", ", ".join(str(seed) for seed in seed_set.seeds))]
    rows += [("code", _agreed([_revision(one["git"]) for one in environments]))]
    for name in environments[0]["versions"]:
        rows.append((name, _agreed([one["versions"].get(name, "–") for one in environments])))
    machines = [one.get("machine", {}) for one in environments]
    rows += [
        (what, _agreed([str(one.get(what, "–")) for one in machines]))
        for what in _MACHINE
        if any(what in one for one in machines)
    ]
    return rows


_MACHINE = ("processor", "threads", "device", "date")


def circumstances(seed_set: SeedSet) -> list[str]:
    """Return a sentence with what numbers may depend on beside code and params; none where it was not recorded."""
    machines = [bundle.environment.get("machine") for bundle in seed_set.bundles]
    if not all(machines):
        return []
    torch = _agreed([bundle.environment["versions"].get("torch", "–") for bundle in seed_set.bundles])
    values = {key: _agreed([str(machine[key]) for machine in machines if machine]) for key in _MACHINE}
    return [
        f"Written on {values['date']} on {values['processor']}, threads: {values['threads']}, device: "
        f"{values['device']}, torch {torch}; figures of other machines may differ."
    ]


def warnings(seed_set: SeedSet) -> list[str]:
    """Return what a reader must know before comparing the numbers."""
    revisions = {_revision(bundle.environment["git"]) for bundle in seed_set.bundles}
    if len(revisions) > 1:
        return ["The seeds were not run with the same code: " + "; ".join(sorted(revisions)) + "."]
    return []


def _revision(git: dict[str, Any] | None) -> str:
    if git is None:
        return "not in a git repository"
    changed = len(git["changed"])
    tail = f", {changed} file{'s' if changed > 1 else ''} changed since" if changed else ""
    return f"{git['revision'][:_SHORT]}{tail}"


def _agreed(values: list[str]) -> str:
    return values[0] if len(set(values)) == 1 else " | ".join(values)


def data_table(seed_set: SeedSet) -> Table:
    """Return the table of the prepared splits."""
    records = [bundle.record["data"] for bundle in seed_set.bundles]
    rows = []
    for name in SPLITS:
        known = [record[name] for record in records if name in record]
        if known:
            cells = [_agreed([str(entry[key]) for entry in known]) for key in ("layout", "images")]
            rows.append(Row(name, [*map(Cell, cells), Cell(_hashes([entry["hash"] for entry in known]))]))
    return Table(
        "Data",
        "split",
        ["layout", "images", "hash of all files"],
        rows,
        "The hash is of the bytes of images and labels, in the order of their ids; file names do not count.",
    )


def _hashes(values: list[str]) -> str:
    return values[0] if len(set(values)) == 1 else f"{len(set(values))} different ones, one for each seed"


def preset_table(seed_set: SeedSet) -> Table | None:
    """Return how params.yaml differs from the nearest preset; None without presets."""
    preset = seed_set.bundles[0].record.get("preset")
    if preset is None:
        return None
    if not preset["differences"]:
        return Table(f"Params: those of the preset {preset['name']}", "key", ["here", preset["name"]], [])
    rows = [Row(key, [Cell(shown(here)), Cell(shown(there))]) for key, here, there in preset["differences"]]
    return Table(f"Params that differ from the nearest preset, {preset['name']}", "key", ["here", preset["name"]], rows)


def params_table(seed_set: SeedSet) -> Table:
    """Return all params but runtime and the seeds."""
    params = seed_set.bundles[0].record["params"]
    rows = [Row(key, [Cell(shown(value))]) for key, value in params.items() if key != "seed" and value is not None]
    return Table("All params", "key", ["value"], rows, "Values that params.yaml leaves out are the defaults.")


def shown(value: Any) -> str:
    """Return a value about as YAML writes it."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
