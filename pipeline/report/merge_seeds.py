"""One report of several workspaces that differ in their seed alone."""

from __future__ import annotations

from pathlib import Path

from pipeline.common.errors import ReadableError
from pipeline.common.files import read_json
from pipeline.report.gallery import PICTURES
from pipeline.report.page.render import write_page
from pipeline.report.record import FORMAT, differences
from pipeline.report.seed_set import ENVIRONMENT, PICTURE_LIST, RESULTS, Bundle, SeedSet

_GENERATED = ("streets", "cracks")  # another seed draws other images
_SHOWN = 8  # keys in a message


def merge_seeds(workspaces: list[Path], destination: Path) -> SeedSet:
    """Write ``destination``/index.html with mean ± sd over the workspaces' seeds; return what it shows.

    Raises:
        ReadableError: a workspace has no report; params differ in more than the seed (named by their keys); a seed
            occurs twice; only some workspaces have evaluated a run; the data differ.
    """
    if not workspaces:
        raise ReadableError("name at least one workspace, that is a folder in which `dvc repro` has written report/")
    bundles = [read_bundle(workspace) for workspace in workspaces]
    for workspace, bundle in zip(workspaces[1:], bundles[1:], strict=True):
        _refuse_others(workspaces[0], bundles[0], workspace, bundle)
    _refuse_twice(workspaces, bundles)
    seed_set = SeedSet(bundles)
    write_page(seed_set, destination)
    return seed_set


def read_bundle(workspace: Path) -> Bundle:
    """Read what the report stage wrote in a workspace.

    Raises:
        ReadableError: a file is missing, not JSON, or of another format; the message says what to run.
    """
    folder = workspace / "report"
    values = []
    for name in (RESULTS, ENVIRONMENT, PICTURE_LIST):
        if not (folder / name).is_file():
            raise ReadableError(f"{folder / name}: there is no such file; run `dvc repro` in {workspace}")
        try:
            values.append(read_json(folder / name))
        except ValueError:
            raise ReadableError(f"{folder / name}: is not JSON; run `dvc repro -f report` in {workspace}") from None
    record, environment, pictures = values
    if record.get("format") != FORMAT:
        raise ReadableError(
            f"{folder / RESULTS}: has format {record.get('format')!r}, this version reads {FORMAT}; "
            f"run `dvc repro -f report` in {workspace}"
        )
    return Bundle(record, environment, pictures, folder / PICTURES)


def _refuse_others(first: Path, expected: Bundle, workspace: Path, bundle: Bundle) -> None:
    rows = [row for row in differences(expected.record["params"], bundle.record["params"]) if row[0] != "seed"]
    if rows:
        shown = "\n".join(f"  - {key}: {here!r} there, {there!r} here" for key, here, there in rows[:_SHOWN])
        more = f"\n  - and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        raise ReadableError(
            f"{workspace}: its params differ from those of {first} in more than the seed, so they are not seeds of "
            f"one experiment:\n{shown}{more}"
        )
    names = [[run["name"] for run in one.record["runs"]] for one in (expected, bundle)]
    if names[0] != names[1]:
        other = ", ".join(sorted(set(names[0]) ^ set(names[1])))
        raise ReadableError(f"{workspace}: {other}: evaluated in only one of it and {first}; run `dvc repro` in both")
    for split, entry in expected.record["data"].items():
        there = bundle.record["data"].get(split)
        # generated streets depend on the seed, other data must be the same
        if there is None or (entry["layout"] not in _GENERATED and there["hash"] != entry["hash"]):
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
