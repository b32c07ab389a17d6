"""The page: templates filled with what is known. Everything is escaped but the charts, which escape for themselves."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.report.charts.confusion import shade
from pipeline.report.gallery import NEWLY_RIGHT, NEWLY_WRONG, STILL_RIGHT, STILL_WRONG
from pipeline.report.page import classes, confusion, cost, pictures, provenance, pseudo_labels
from pipeline.report.page.verdict import verdict_of
from pipeline.report.seed_set import Collected

_TEMPLATES = Path(__file__).parent / "templates"


def render(found: Collected) -> str:
    """One self-contained HTML page."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["style"] = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    return environment.get_template("report.html").render(
        found=found,
        verdict=verdict_of(found),
        runs=classes.runs_table(found),
        class_bars=classes.bars(found),
        class_table=classes.class_table(found),
        quality_charts=pseudo_labels.quality_charts(found),
        pseudo_label_tables=pseudo_labels.tables(found),
        confusion_charts=confusion.charts(found),
        confusion_scale=[(f"{100 * share:g} %", shade(share)) for share in (0, 0.01, 0.05, 0.2, 0.5, 1)],
        mistakes=confusion.mistakes(found),
        curves=pictures.curves(found),
        gallery=pictures.groups(found),
        sample=pictures.sample(found),
        legend=[(name, classes.rgb(colour)) for name, colour in zip(found.class_names, found.palette, strict=True)],
        change_legend=[
            (words, classes.rgb(list(colour)))
            for words, colour in (
                ("newly right", NEWLY_RIGHT),
                ("newly wrong", NEWLY_WRONG),
                ("right in both", STILL_RIGHT),
                ("wrong in both", STILL_WRONG),
            )
        ],
        times=cost.times_table(found),
        energy=cost.energy_line(found),
        sizes=cost.sizes_table(found),
        facts=provenance.facts(found),
        warnings=provenance.warnings(found),
        data=provenance.data_table(found),
        preset=provenance.preset_table(found),
        params=provenance.params_table(found),
    )
