"""The report: index.html, one file without network, and beside it what it was made from, for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.common.errors import ReadableError
from pipeline.common.files import read_json, write_json, write_text
from pipeline.report.gallery import PICTURES
from pipeline.report.page.render import render
from pipeline.report.record import FORMAT
from pipeline.report.seed_set import Bundle, Collected

PAGE, RESULTS, MADE, PICTURE_LIST = "index.html", "results.json", "made.json", "pictures.json"


def write_report(record: dict[str, Any], made: dict[str, Any], pictures: dict[str, Any], destination: Path) -> None:
    """Writes index.html, results.json, made.json, pictures.json; ``destination``/pictures holds the pictures."""
    for name, value in ((RESULTS, record), (MADE, made), (PICTURE_LIST, pictures)):
        write_json(destination / name, value)
    bundle = Bundle(record, made, pictures, destination / PICTURES)
    write_text(destination / PAGE, render(Collected([bundle])))


def read_bundle(workspace: Path) -> Bundle:
    """What the report stage wrote in a workspace. Raises ReadableError that says what to run."""
    folder = workspace / "report"
    values = []
    for name in (RESULTS, MADE, PICTURE_LIST):
        if not (folder / name).is_file():
            raise ReadableError(f"{folder / name}: there is no such file; run `dvc repro` in {workspace}")
        try:
            values.append(read_json(folder / name))
        except ValueError:
            raise ReadableError(f"{folder / name}: is not JSON; run `dvc repro -f report` in {workspace}") from None
    if values[0].get("format") != FORMAT:
        raise ReadableError(
            f"{folder / RESULTS}: has format {values[0].get('format')!r}, this version reads {FORMAT}; "
            f"run `dvc repro -f report` in {workspace}"
        )
    record, made, pictures = values
    return Bundle(record, made, pictures, folder / PICTURES)
