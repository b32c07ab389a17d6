"""The page: the filled templates. Everything is escaped but the charts, which escape for themselves."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.common.files import write_text
from pipeline.report.charts.confusion import shade
from pipeline.report.gallery import NEWLY_RIGHT, NEWLY_WRONG, STILL_RIGHT, STILL_WRONG
from pipeline.report.page import classes, confusion, cost, health, pictures, provenance, pseudo_labels
from pipeline.report.page.verdict import verdict_of
from pipeline.report.seed_set import SeedSet

_TEMPLATES = Path(__file__).parent / "templates"


def write_page(seed_set: SeedSet, folder: Path) -> None:
    """Write the page as index.html into a folder."""
    write_text(folder / "index.html", render(seed_set))


def render(seed_set: SeedSet) -> str:
    """Return one self-contained HTML page."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    verdict = verdict_of(seed_set)
    environment.globals["style"] = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    return environment.get_template("report.html").render(
        seed_set=seed_set,
        verdict=verdict,
        health_sentences=health.sentences(seed_set),
        trust=[*health.holding(seed_set), *verdict.answers.trust, *provenance.circumstances(seed_set)],
        runs=classes.runs_table(seed_set),
        health_tables=health.tables(seed_set),
        class_bars=classes.bars(seed_set),
        class_table=classes.class_table(seed_set),
        quality_charts=pseudo_labels.quality_charts(seed_set),
        pseudo_label_tables=pseudo_labels.tables(seed_set),
        confusion_charts=confusion.charts(seed_set),
        confusion_scale=[(f"{100 * share:g} %", shade(share)) for share in (0, 0.01, 0.05, 0.2, 0.5, 1)],
        mistakes=confusion.mistakes(seed_set),
        curves=pictures.curves(seed_set),
        gallery=pictures.groups(seed_set),
        sample=pictures.sample(seed_set),
        legend=[
            (name, classes.rgb(colour)) for name, colour in zip(seed_set.class_names, seed_set.palette, strict=True)
        ],
        change_legend=[
            (words, classes.rgb(list(colour)))
            for words, colour in (
                ("newly right", NEWLY_RIGHT),
                ("newly wrong", NEWLY_WRONG),
                ("right in both", STILL_RIGHT),
                ("wrong in both", STILL_WRONG),
            )
        ],
        times=cost.times_table(seed_set),
        energy=cost.energy_line(seed_set),
        sizes=cost.sizes_table(seed_set),
        facts=provenance.facts(seed_set),
        warnings=provenance.warnings(seed_set),
        data=provenance.data_table(seed_set),
        preset=provenance.preset_table(seed_set),
        params=provenance.params_table(seed_set),
    )
