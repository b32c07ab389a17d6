"""Artifacts of a night in Prefect's UI: the results table, curves, pictures of entropy, links to the reports."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from pathlib import Path

from PIL import Image
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)

from pipeline.evaluation.over_seeds import percent, results_table
from pipeline.evaluation.results import Result, read_results
from pipeline.overnight.plan import Night, WorkspaceStage
from pipeline.overnight.scheduler import Outcome
from pipeline.report.charts.lines import line_chart, read_curve
from pipeline.report.rounds_figure import draw_rounds

_WIDEST = 1600  # pixels of a picture in the UI's database
_STYLE = (  # white below: the UI is dark, and the chart's text is not
    "<style>svg{background:#fff}text{font:10px sans-serif;fill:#1b1f24}.title{font-weight:600;font-size:11px}"
    ".grid{stroke:#d8dee4}</style>"
)


def publish_run(night: Night, stage: WorkspaceStage) -> None:
    """Publish curves and pictures of an initial model or round that has just been evaluated."""
    name = stage.stage.run or ""
    runs, key = stage.workspace / "runs", artifact_key(name, stage.seed)
    results = read_results(runs, {name: night.kinds.get(name, "initial")})
    text = curves_markdown(name, stage.seed, runs / name / "curves", results)
    create_markdown_artifact(text, key=f"curves-{key}", description=f"Curves of {name}")
    picture = draw_rounds(runs, results, night.headline, night.classes, 0)
    if picture is not None:
        text = picture_markdown(picture, f"prediction and entropy of {name}")
        create_markdown_artifact(text, key=f"entropy-{key}", description=f"Pictures of {name}, seed {stage.seed}")


def publish_results(night: Night, outcomes: Mapping[str, Outcome]) -> None:
    """Publish the table of all results, pictures of all runs side by side, and a link to each report."""
    by_seed = {seed: read_results(folder / "runs", night.kinds) for seed, folder in night.workspaces().items()}
    table = results_table(by_seed)
    if table:
        ended = ", ".join(f"{list(outcomes.values()).count(one)} {one}" for one in Outcome if one in outcomes.values())
        create_table_artifact(table, key="results", description=f"Results on the target, in percent. Stages: {ended}.")
    for seed, folder in night.workspaces().items():
        for number in range(2):
            picture = draw_rounds(folder / "runs", by_seed[seed], night.headline, night.classes, number)
            if picture is not None:
                key = artifact_key(f"image-{number}", seed)
                text = picture_markdown(picture, "predictions and entropies of all runs")
                create_markdown_artifact(text, key=f"gallery-{key}", description=f"All runs, seed {seed}")
        report = folder / "report" / "index.html"
        if report.exists():
            create_link_artifact(
                report.resolve().as_uri(), link_text=str(report), key=f"report-{artifact_key('seed', seed)}",
                description="The report: a file on the machine that ran the flow",
            )  # fmt: skip


def artifact_key(name: str, seed: int) -> str:
    """Return a key that Prefect allows: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{name}-{seed}".lower()).strip("-")


def curves_markdown(name: str, seed: int, curves: Path, results: list[Result]) -> str:
    """Return a run's losses as a picture, and the metrics of its evaluation."""
    series = {path.stem: [read_curve(path)] for path in sorted((curves / "loss").glob("*.tsv"))}
    chart = line_chart(f"{name}: loss", series)
    lines = [f"## {name}, seed {seed}", ""]
    if results:
        lines += ["| metric | percent |", "|---|---|"]
        lines += [f"| {metric} | {percent(value)} |" for metric, value in results[0].metrics.items()]
        lines += [
            f"| pseudo-labels: {what} | {percent(value)} |"
            for what, value in results[0].pseudo_labels.items()
            if what in ("coverage", "precision")
        ]
        lines.append("")
    micro_batches = curves / "micro_batches.tsv"
    if micro_batches.exists():
        count = read_curve(micro_batches)[-1][1]
        lines += [f"Memory was short: each batch went through the network in {count:g} micro-batches.", ""]
    if chart:
        svg = chart.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" width="720" ', 1)
        svg = svg.replace(">", f">{_STYLE}", 1)
        lines.append(f"![losses of {name}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})")
    return "\n".join(lines)


def picture_markdown(picture: Image.Image, text: str) -> str:
    """Return Markdown with the picture inside its own address, so that the UI needs no file server.

    Not an image artifact: below one, the UI prints the whole address.
    """
    if picture.width > _WIDEST:
        picture = picture.resize((_WIDEST, round(picture.height * _WIDEST / picture.width)))
    data = io.BytesIO()
    picture.save(data, "PNG", optimize=True)
    return f"![{text}](data:image/png;base64,{base64.b64encode(data.getvalue()).decode()})"
