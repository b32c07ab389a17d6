"""report/index.html: one file, no network: the verdict, tables, curves, and pictures of every run."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

from pipeline.files import write_json, write_text
from pipeline.inspection.chart import line_chart, read_curve
from pipeline.inspection.results import Result, baseline, gap_closed
from pipeline.labels import ClassSet

_STYLE = """
:root { color-scheme: light; font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff }
body { max-width: 76rem; margin: 2rem auto; padding: 0 1.2rem }
h1 { margin-bottom: 0 } h2 { margin-top: 2.4rem; border-bottom: 1px solid #d8dee4; padding-bottom: .2rem }
.lead { font-size: 1.15rem } .scroll { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem }
th, td { padding: .25rem .55rem; text-align: right; border-bottom: 1px solid #e6eaee; white-space: nowrap }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff }
tr.oracle td { color: #57606a; font-style: italic } td.best { font-weight: 700 }
svg { width: 22rem; max-width: 100%; font-size: 10px } svg .title { font-weight: 600; font-size: 11px }
svg .grid { stroke: #e6eaee }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .3em; border: 1px solid #0003 }
.legend span { margin-right: .9rem; white-space: nowrap; font-size: .85rem }
.gallery img { display: block; width: 100%; min-width: 9rem; image-rendering: pixelated }
.gallery th { text-align: center; font-weight: 500 } .gallery td { padding: .15rem; border: 0 }
.scale { display: inline-block; width: 9rem; height: .8em; vertical-align: middle;
  background: linear-gradient(90deg, #00224e, #28396c, #575d6d, #7c7b78, #a59c74, #d2c15c, #fee838) }
@media print { body { margin: 0; max-width: none } h2 { break-after: avoid } tr, svg { break-inside: avoid } }
"""


def write_report(runs: Path, results: list[Result], classes: ClassSet, headline: str, destination: Path) -> None:
    """Writes index.html and results.json into ``destination``."""
    source, oracle = baseline(results, "start", headline), baseline(results, "oracle", headline)
    sections = [
        f"<h1>Roundabout</h1>{_verdict(results, headline, source, oracle)}",
        f"<h2>Results on the target</h2>{_results_table(results, headline, source, oracle)}",
        f"<h2>IoU of each class</h2>{_class_table(results, classes)}",
        _pseudo_label_section(results, classes),
        f"<h2>Curves</h2>{_curves(runs, results)}",
        f"<h2>Pictures</h2>{_legend(classes)}{_gallery(runs, results)}",
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Roundabout report</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{''.join(sections)}</body></html>\n"
    )
    write_text(destination / "index.html", page)
    rows = [
        {
            "name": result.name,
            "kind": result.kind,
            **result.metrics,
            "gap_closed": gap_closed(result.metrics.get(headline), source, oracle),
            "IoU": result.class_iou,
            "pseudo_labels": result.pseudo_labels,
        }
        for result in results
    ]
    write_json(destination / "results.json", {"headline": headline, "runs": rows})


def percent(value: float | None) -> str:
    """A share in percent with one decimal, or a dash."""
    return "–" if value is None else f"{100 * value:.1f}"


def _verdict(results: list[Result], headline: str, source: float | None, oracle: float | None) -> str:
    rounds = [result for result in results if result.kind not in ("start", "oracle")]
    if rounds and source is None:
        return '<p class="lead">There is no evaluated source-only start to compare the rounds with.</p>'
    if not rounds or source is None:
        return '<p class="lead">No round has been evaluated yet.</p>'
    last = rounds[-1]
    value = last.metrics.get(headline)
    if value is None:
        return '<p class="lead">The evaluation split holds no labelled pixel.</p>'
    change = 100 * (value - source)
    verb = "gained" if change >= 0 else "lost"
    closed = gap_closed(value, source, oracle)
    tail = "" if closed is None else f", {100 * closed:.0f} % of the gap to the oracle ({percent(oracle)})"
    return (
        f'<p class="lead">The last round, <b>{escape(last.name)}</b>, has {escape(headline)} '
        f"<b>{percent(value)}</b>; source only had {percent(source)}: it {verb} "
        f"<b>{abs(change):.1f}</b> points{tail}. The last model counts, not the best.</p>"
    )


def _results_table(results: list[Result], headline: str, source: float | None, oracle: float | None) -> str:
    names = list(results[0].metrics) if results else []
    head = ["run", "method", *names, f"Δ {headline}", "gap closed", "coverage", "precision"]
    rows = []
    for result in results:
        value = result.metrics.get(headline)
        change = None if value is None or source is None else 100 * (value - source)
        closed = gap_closed(value, source, oracle)
        cells = [
            escape(result.name),
            escape(result.kind),
            *(percent(result.metrics.get(name)) for name in names),
            "–" if change is None else f"{change:+.1f}",
            "–" if closed is None else f"{100 * closed:.0f} %",
            percent(result.pseudo_labels.get("coverage")),
            percent(result.pseudo_labels.get("precision")),
        ]
        rows.append(_row(cells, "oracle" if result.kind == "oracle" else ""))
    note = "<p>IoU in percent. Coverage and precision are those of the round's pseudo-labels, read after training.</p>"
    return f'<div class="scroll"><table>{_head(head)}{"".join(rows)}</table></div>{note}'


def _class_table(results: list[Result], classes: ClassSet) -> str:
    best = {
        name: max((result.class_iou.get(name) or 0 for result in results if result.kind != "oracle"), default=0)
        for name in classes.names
    }
    rows = []
    for result in results:
        cells = [f"<td>{escape(result.name)}</td>"]
        for name in classes.names:
            value = result.class_iou.get(name)
            mark = ' class="best"' if value and value == best[name] and result.kind != "oracle" else ""
            cells.append(f"<td{mark}>{percent(value)}</td>")
        rows.append(f'<tr class="{"oracle" if result.kind == "oracle" else ""}">{"".join(cells)}</tr>')
    return f'<div class="scroll"><table>{_head(["run", *classes.names])}{"".join(rows)}</table></div>'


def _pseudo_label_section(results: list[Result], classes: ClassSet) -> str:
    known = [result for result in results if result.class_pseudo_labels]
    if not known:
        return ""
    rows = [
        _row(
            [f"{escape(result.name)} {what}"]
            + [percent(result.class_pseudo_labels[name][what]) for name in classes.names]
        )
        for result in known
        for what in ("coverage", "precision")
    ]
    table = f'<div class="scroll"><table>{_head(["round", *classes.names])}{"".join(rows)}</table></div>'
    return f"<h2>Pseudo-labels of each class</h2>{table}"


def _curves(runs: Path, results: list[Result]) -> str:
    charts = []
    for result in results:
        folder = runs / result.name / "curves" / "loss"
        series = {path.stem: read_curve(path) for path in sorted(folder.glob("*.tsv"))}
        charts.append(line_chart(f"{result.name}: loss", series))
    return "".join(charts) or "<p>None yet.</p>"


def _gallery(runs: Path, results: list[Result]) -> str:
    """One row per image: input, label, then each run's prediction with its entropy below."""
    with_pictures = [result for result in results if (runs / result.name / "gallery").is_dir()]
    if not with_pictures:
        return "<p>None.</p>"
    first = runs / with_pictures[0].name / "gallery"
    places = sorted(path.name.split("-")[0] for path in first.glob("*-input.png"))
    rows = []
    for place in places:
        top = [_image(first / f"{place}-{what}.png", what) for what in ("input", "label")]
        folders = [(result.name, runs / result.name / "gallery") for result in with_pictures]
        top += [_image(folder / f"{place}-prediction.png", f"prediction of {name}") for name, folder in folders]
        low = ["", "", *(_image(folder / f"{place}-entropy.png", f"entropy of {name}") for name, folder in folders)]
        rows += [_row(top), _row(low)]
    head = _head(["input", "label", *(result.name for result in with_pictures)])
    return f'<div class="scroll"><table class="gallery">{head}{"".join(rows)}</table></div>'


def _image(path: Path, alt: str) -> str:
    if not path.exists():
        return ""
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{escape(alt)}" loading="lazy" src="data:image/png;base64,{data}">'


def _legend(classes: ClassSet) -> str:
    spans = "".join(
        f'<span><i class="swatch" style="background:rgb{colour}"></i>{escape(name)}</span>'
        for name, colour in zip(classes.names, classes.palette, strict=True)
    )
    scale = '<p>Entropy below each prediction: certain <i class="scale"></i> undecided (ln C).</p>'
    return f'<p class="legend">{spans}</p>{scale}'


def _head(cells: list[str]) -> str:
    return "<tr>" + "".join(f'<th scope="col">{escape(cell)}</th>' for cell in cells) + "</tr>"


def _row(cells: list[str], kind: str = "") -> str:
    mark = f' class="{kind}"' if kind else ""
    return f"<tr{mark}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
