"""One report of several workspaces that differ in their seed alone."""

from __future__ import annotations

from pathlib import Path

from pipeline.common.errors import ReadableError
from pipeline.common.files import write_text
from pipeline.report.page.render import render
from pipeline.report.record import differences
from pipeline.report.seed_set import Bundle, Collected
from pipeline.report.write import PAGE, read_bundle

_SHOWN = 8  # keys in a message


def collect(workspaces: list[Path], destination: Path) -> Collected:
    """Writes ``destination``/index.html with mean ± sd over the workspaces' seeds; answers what it collected.

    Raises ReadableError for a workspace without a report, for params that differ in more than the seed (naming the
    keys), for a seed that is there twice, for runs that only some have evaluated, and for other data.
    """
    if not workspaces:
        raise ReadableError("name at least one workspace (a folder in which `dvc repro` has made report/)")
    bundles = [read_bundle(workspace) for workspace in workspaces]
    for workspace, bundle in zip(workspaces[1:], bundles[1:], strict=True):
        _refuse_others(workspaces[0], bundles[0], workspace, bundle)
    _refuse_twice(workspaces, bundles)
    found = Collected(bundles)
    write_text(destination / PAGE, render(found))
    return found


def _refuse_others(first: Path, expected: Bundle, workspace: Path, bundle: Bundle) -> None:
    rows = [row for row in differences(expected.record["params"], bundle.record["params"]) if row[0] != "seed"]
    if rows:
        shown = "\n".join(f"  - {key}: {here!r} there, {there!r} here" for key, here, there in rows[:_SHOWN])
        more = f"\n  - and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        raise ReadableError(
            f"{workspace}: its params differ from those of {first} in more than the seed, so they are no seeds of one "
            f"experiment:\n{shown}{more}"
        )
    names = [[run["name"] for run in one.record["runs"]] for one in (expected, bundle)]
    if names[0] != names[1]:
        other = ", ".join(sorted(set(names[0]) ^ set(names[1])))
        raise ReadableError(f"{workspace}: {other}: evaluated in only one of it and {first}; run `dvc repro` in both")
    for split, entry in expected.record["data"].items():
        there = bundle.record["data"].get(split)
        # generated streets depend on the seed, other data must be the same
        if there is None or (entry["layout"] != "streets" and there["hash"] != entry["hash"]):
            raise ReadableError(f"{workspace}: its {split} images or labels are not those of {first}")


def _refuse_twice(workspaces: list[Path], bundles: list[Bundle]) -> None:
    seen: dict[int, Path] = {}
    for workspace, bundle in zip(workspaces, bundles, strict=True):
        seed = bundle.record["seed"]
        if seed in seen:
            raise ReadableError(
                f"{workspace}: has seed {seed}, as {seen[seed]} has: a copy says nothing about the spread"
            )
        seen[seed] = workspace
