"""``roundabout results``: the table that every run ends with."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from pipeline.commands.console import console, readable
from pipeline.common.errors import ReadableError
from pipeline.evaluation.over_seeds import percent
from pipeline.evaluation.results import Result, baseline, gap_closed, read_results
from pipeline.health.record import verdict_in_words
from pipeline.params import Params, read_params
from pipeline.report.chains import chains_of
from pipeline.report.control import control_of


@readable
def results() -> None:
    """Print the results of all evaluated initial models and rounds, and the verdict on each round."""
    params = read_params(Path("params.yaml"))
    runs = Path("runs")
    results = read_results(runs, params.run_kinds())
    if not results:
        raise ReadableError("nothing has been evaluated yet; run `dvc repro`")
    headline = params.evaluate.headline
    verdicts = {result.name: verdict_in_words(runs / result.name) for result in results}
    console.print(_summary_table(results, headline, {name: verdict for name, (verdict, _) in verdicts.items()}))
    for name, (verdict, words) in verdicts.items():
        if words != verdict:
            console.print(f"{name}: {words}", soft_wrap=True, highlight=False, markup=False)
    console.print(_class_table(results))
    for sentence in _control_sentences(params, results):
        console.print(sentence, highlight=False)
    if Path("report/index.html").exists():
        console.print(f"report: {Path('report/index.html').resolve()}", soft_wrap=True, highlight=False)


def _summary_table(results: list[Result], headline: str, verdicts: dict[str, str]) -> Table:
    source, oracle = baseline(results, "initial", headline), baseline(results, "oracle", headline)
    names = list(results[0].metrics)
    columns = ("run", "method", *names, f"Δ {headline}", "gap closed", "coverage", "precision")
    judged = any(verdicts.values())
    table = Table(*columns, *(["verdict"] if judged else []), title="Results on the target (percent)")
    for result in results:
        value = result.metrics.get(headline)
        closed = gap_closed(value, source, oracle)
        table.add_row(
            result.name,
            result.kind,
            *(percent(result.metrics.get(name)) for name in names),
            "–" if value is None or source is None else f"{100 * (value - source):+.1f}",
            "–" if closed is None else f"{100 * closed:.0f} %",
            percent(result.pseudo_labels.get("coverage")),
            percent(result.pseudo_labels.get("precision")),
            *([verdicts[result.name] or "–"] if judged else []),
        )
    return table


def _control_sentences(params: Params, results: list[Result]) -> list[str]:
    """Return how the last round of each chain compares with its control, where one was evaluated."""
    headline = params.evaluate.headline
    values = {result.name: result.metrics.get(headline) for result in results}
    kinds = {result.name: result.kind for result in results}
    sentences = []
    for chain in chains_of(kinds, {name: entry.init for name, entry in params.rounds.items()}):
        name, control = chain.last, control_of(params, chain.last)
        value, other = values[name], None if control is None else values.get(control)
        if value is not None and other is not None:
            verb = "beats" if value > other else "does not beat"
            sentences.append(
                f"{name} {verb} its control ({control}), the same initial model trained for as many steps: "
                f"{percent(value)} and {percent(other)} percent {headline}."
            )
    return sentences


def _class_table(results: list[Result]) -> Table:
    table = Table("class", *(result.name for result in results), title="IoU of each class (percent)")
    for name in results[0].class_iou:
        table.add_row(name, *(percent(result.class_iou.get(name)) for result in results))
    return table
