"""``roundabout compare``: two runs beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pipeline.commands.console import console, readable
from pipeline.commands.run_files import run_name
from pipeline.commands.tables import print_table
from pipeline.common.flat import flat
from pipeline.evaluation.results import metric_in_words

if TYPE_CHECKING:
    from pipeline.params import Params, Training
    from pipeline.viewer.compare import Comparison

Pair = tuple[float | None, float | None]


@readable
def compare(
    first: Annotated[str, typer.Argument(metavar="RUN", help="an initial model or round, e.g. lse-1")],
    second: Annotated[str, typer.Argument(metavar="RUN", help="another")],
    images: Annotated[int, typer.Option(min=0, help="name so many images that changed most; 0: none")] = 5,
) -> None:
    """Compare two runs: metrics, classes, thresholds, selections, params, and the images that changed most."""
    from pipeline.viewer.compare import compare_runs, most_changed
    from pipeline.viewer.inspector import Inspector

    inspector = Inspector([])
    first, second = run_name(first), run_name(second)
    runs = (inspector.run(first), inspector.run(second))
    params = inspector.inputs.params
    comparison = compare_runs(*runs, entries_of(params, (first, second)) if params else {})
    for name in comparison.before:
        words = "its evaluation is of the cache or selection before; it is not shown"
        console.print(f"{name}: {words}", highlight=False, soft_wrap=True)
    print_table(_summary(comparison))
    print_table(_class_table(comparison))
    changed = most_changed(*runs, images)
    if changed:
        caches = " and ".join(_cache_names(comparison))
        console.print(f"Images whose predictions differ most between {caches}:", highlight=False, soft_wrap=True)
    for image_id, share in changed:
        console.print(f"{100 * share:5.1f} % of the pixels changed in {image_id}", highlight=False)


def entries_of(params: Params, names: tuple[str, str]) -> dict[str, dict[str, Any]]:
    """Return what params.yaml says of two runs, by name.

    Of two rounds, and of two initial models, also how they train, their changes included.
    """
    table = {**params.initial_models, **params.rounds}
    entries = {name: table[name].model_dump() for name in names if name in table}
    if all(name in params.rounds for name in names):
        return {name: _with_training(entry, "adapt", params.adapt_of(name)) for name, entry in entries.items()}
    if all(name in params.initial_models for name in names):
        return {name: _with_training(entry, "pretrain", params.pretrain_of(name)) for name, entry in entries.items()}
    return entries


def _with_training(entry: dict[str, Any], section: str, training: Training) -> dict[str, Any]:
    rest = {key: value for key, value in entry.items() if key != section}
    return rest | flat(training.model_dump(mode="json"), f"{section}.")


def _summary(comparison: Comparison) -> Table:
    table = Table("", *comparison.names, "Δ", title=f"{comparison.names[0]} and {comparison.names[1]}")
    for name, pair in comparison.metrics.items():
        table.add_row(metric_in_words(name), *(_percent(value) for value in pair), _points(pair))
    if any(comparison.networks):
        table.add_row("network of the cache", *(network or "–" for network in comparison.networks), "")
    if any(value is not None for value in comparison.entropy):
        table.add_row(
            "mean entropy in the cache, % of ln C",
            *(_percent(value) for value in comparison.entropy),
            _points(comparison.entropy),
        )
    if comparison.selected is not None:
        one, other, both = comparison.selected
        table.add_row("images selected", str(one), str(other), f"{both} in common")
    for key, values in comparison.params.items():
        table.add_row(f"params: {key}", *("–" if value is None else str(value) for value in values), "")
    return table


def _class_table(comparison: Comparison) -> Table:
    heads = [f"{what} {name}" for what in ("IoU", "threshold") for name in comparison.names]
    heads += [f"share in {cache}" for cache in _cache_names(comparison)]
    table = Table("class", *heads, "Δ IoU", "Δ share")
    table.title = "Classes (IoU and shares in percent)"
    for row in comparison.classes:
        cells = [_percent(value) for value in row.iou]
        cells += ["–" if value is None else f"{value:.4f}" for value in row.threshold]
        cells += [_percent(value) for value in row.share]
        table.add_row(row.name, *cells, _points(row.iou), _points(row.share))
    return table


def _cache_names(comparison: Comparison) -> list[str]:
    """Name the caches by their networks: a round's cache is of its initial network, its IoU of the trained one."""
    pairs = zip(comparison.names, comparison.networks, strict=True)
    return [f"the cache of {name}{f' ({network})' if network else ''}" for name, network in pairs]


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _points(pair: Pair) -> str:
    return "–" if pair[0] is None or pair[1] is None else f"{100 * (pair[1] - pair[0]):+.1f}"
