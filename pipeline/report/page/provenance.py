"""Where the results come from: revision, versions, data, params."""

from __future__ import annotations

import json
from typing import Any

from pipeline.report.page.table import Cell, Row, Table
from pipeline.report.record import SPLITS
from pipeline.report.seed_set import Collected

_SHORT = 12  # characters of a revision


def facts(found: Collected) -> list[tuple[str, str]]:
    """(what, value), each once where the seeds agree."""
    made = [bundle.made for bundle in found.bundles]
    rows = [("seeds", ", ".join(str(seed) for seed in found.seeds))]
    rows += [("code", _agreed([_revision(one["git"]) for one in made]))]
    for name in made[0]["versions"]:
        rows.append((name, _agreed([one["versions"].get(name, "–") for one in made])))
    return rows


def warnings(found: Collected) -> list[str]:
    """What a reader must know before comparing the numbers."""
    revisions = {_revision(bundle.made["git"]) for bundle in found.bundles}
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


def data_table(found: Collected) -> Table:
    """The splits that prepare saw."""
    records = [bundle.record["data"] for bundle in found.bundles]
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


def preset_table(found: Collected) -> Table | None:
    """How params.yaml differs from the nearest preset."""
    preset = found.bundles[0].record.get("preset")
    if preset is None:
        return None
    if not preset["differences"]:
        return Table(f"Params: those of the preset {preset['name']}", "key", ["here", preset["name"]], [])
    rows = [Row(key, [Cell(shown(here)), Cell(shown(there))]) for key, here, there in preset["differences"]]
    return Table(f"Params that differ from the nearest preset, {preset['name']}", "key", ["here", preset["name"]], rows)


def params_table(found: Collected) -> Table:
    """All params but runtime and the seeds."""
    params = found.bundles[0].record["params"]
    rows = [Row(key, [Cell(shown(value))]) for key, value in params.items() if key != "seed" and value is not None]
    return Table("All params", "key", ["value"], rows, "Values that params.yaml leaves out are the defaults.")


def shown(value: Any) -> str:
    """A value as YAML would have it, or nearly."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
