"""Curves and pictures of the page."""

from __future__ import annotations

import base64
import math
from pathlib import Path
from typing import NamedTuple

from pipeline.report.charts.lines import line_chart
from pipeline.report.seed_set import SeedSet

_WHY = {
    "improved": "Most improved: the share of right pixels grew most",
    "worsened": "Most worsened: the share of right pixels fell most",
    "uncertain": "Most uncertain: the largest mean entropy after the last round",
}


_OF_ORACLE = {"source": "target labels"}
"""Name of the loss on labelled images where they are the target's."""


class Picture(NamedTuple):
    """Images as data addresses, one above the other, with one caption."""

    images: list[tuple[str, str]]
    """(data address, description)."""
    caption: str


class Strip(NamedTuple):
    """The pictures of one image."""

    title: str
    pictures: list[Picture]


class Group(NamedTuple):
    """Strips under one heading."""

    title: str
    strips: list[Strip]


def curves(seed_set: SeedSet) -> list[str]:
    """Return charts of the losses of each run; one line per seed."""
    charts = []
    for name in seed_set.names:
        series: dict[str, list[list[tuple[float, float]]]] = {}
        for run in seed_set.runs(name):
            for what, points in run.get("curves", {}).items():
                series.setdefault(what, []).append([(step, value) for step, value in points])
        ordered = dict(sorted(series.items(), key=lambda entry: (entry[0] != "source", entry[0])))  # one colour for all
        if seed_set.kinds[name] == "oracle":  # the labelled images that it learns from are the target's
            ordered = {_OF_ORACLE.get(what, what): lines for what, lines in ordered.items()}
        charts.append(line_chart(f"{name}: loss", ordered))
    return [chart for chart in charts if chart]


def groups(seed_set: SeedSet) -> list[Group]:
    """Return the gallery of each chain, from the first seed."""
    bundle = seed_set.bundles[0]
    groups = []
    for chain in seed_set.chains:
        rows = [row for row in bundle.pictures["gallery"] if row["run"] == chain.last]
        for why, words in _WHY.items():
            strips = [_strip(row, bundle.folder, len(seed_set.class_names)) for row in rows if row["why"] == why]
            if strips:
                groups.append(Group(f"{chain.label}. {words}", strips))
    return groups


def _strip(row: dict, folder: Path, classes: int) -> Strip:
    captions = {
        "input": "input",
        "truth": "truth",
        "before": row["initial"],
        "after": row["run"],
        "change": "change",
        "entropy": f"entropy, {row['run']}",
    }
    known = row["before"] is not None and row["after"] is not None
    right = f"{100 * row['before']:.1f} → {100 * row['after']:.1f} % of the pixels right" if known else "not labelled"
    share = row["entropy"] / math.log(classes)
    title = f"{row['image']}: {right}, mean entropy {100 * share:.1f} % of ln C"
    pictures = [
        Picture([(address(folder / row["files"][what]), f"{caption} of image {row['image']}")], caption)
        for what, caption in captions.items()
    ]
    return Strip(title, pictures)


def sample(seed_set: SeedSet) -> list[Strip]:
    """Return a few images spread evenly over the split with every run's prediction and entropy; of the first seed."""
    bundle, strips = seed_set.bundles[0], []
    for number, row in enumerate(bundle.pictures["sample"], start=1):
        of_run = {"prediction": "prediction of", "entropy": "entropy of"}
        columns = {"input, truth": {"input": row["input"], "truth": row["label"]}}
        columns |= {
            name: {f"{words} {name}": files[what] for what, words in of_run.items()}
            for name, files in row["runs"].items()
        }
        pictures = [
            Picture(
                [(address(bundle.folder / file), f"{words}, sample {number}") for words, file in shown.items()], caption
            )
            for caption, shown in columns.items()
        ]
        strips.append(Strip(f"Sample {number}: prediction above, entropy below", pictures))
    return strips


def address(path: Path) -> str:
    """Return a file as a data address, so that the page needs no other file."""
    kind = "jpeg" if path.suffix == ".jpg" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
