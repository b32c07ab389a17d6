"""``roundabout results``: the table that every run ends with."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from pipeline.commands.console import console, readable
from pipeline.common.errors import ReadableError
from pipeline.evaluation.over_seeds import percent
from pipeline.evaluation.results import Result, baseline, gap_closed, read_results
from pipeline.health.record import in_words, read_health
from pipeline.params import Params, read_params
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
    verdicts = {result.name: _verdict(runs / result.name) for result in results}
    console.print(_summary_table(results, headline, {name: verdict for name, (verdict, _) in verdicts.items()}))
    for name, (verdict, words) in verdicts.items():
        if words != verdict:
            console.print(f"{name}: {words}", soft_wrap=True, highlight=False, markup=False)
    console.print(_class_table(results))
    for sentence in _control_sentences(params, results):
        console.print(sentence, highlight=False)
    if Path("report/index.html").exists():
        console.print(f"report: {Path('report/index.html').resolve()}", soft_wrap=True, highlight=False)


def _verdict(folder: Path) -> tuple[str, str]:
    """Return the verdict without labels in a word and in a sentence; both are empty where there is none.

    Where health.json cannot be read the sentence is the problem.
    """
    try:
        record = read_health(folder)
    except ReadableError as error:
        return "", str(error)
    return ("", "") if record is None else (record.verdict, in_words(record.verdict, record.reason, record.result))


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
    headline, values = params.evaluate.headline, {result.name: result for result in results}
    begun = {entry.init for entry in params.rounds.values()}
    sentences = []
    for name in params.rounds:
        control = control_of(params, name)
        if name in begun or name not in values or control not in values:
            continue
        value, other = (values[run].metrics.get(headline) for run in (name, control))
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
