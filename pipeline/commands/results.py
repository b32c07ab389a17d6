"""``roundabout results``: the table that every run ends with."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from pipeline.commands.console import console, readable
from pipeline.commands.tables import print_table
from pipeline.common.errors import ReadableError
from pipeline.common.labels import class_set
from pipeline.evaluation.over_seeds import percent
from pipeline.evaluation.results import Result, baseline, gap_closed, metric_in_words, read_results
from pipeline.health.record import verdict_in_words
from pipeline.params import read_params
from pipeline.report.answers import Answers, answers_of
from pipeline.report.seed_set import Bundle, SeedSet
from pipeline.report.summary import summary_of


@readable
def results() -> None:
    """Print the results of all evaluated runs, and whether it worked, on which classes, how sure that is, what next."""
    params = read_params(Path("params.yaml"))
    runs = Path("runs")
    results = read_results(runs, params.run_kinds())
    if not results:
        raise ReadableError("nothing has been evaluated yet; run `dvc repro`")
    headline = params.evaluate.headline
    verdicts = {result.name: verdict_in_words(runs / result.name) for result in results}
    print_table(_summary_table(results, headline, {name: verdict for name, (verdict, _) in verdicts.items()}))
    print_table(_class_table(results))
    seed_set = SeedSet([Bundle(summary_of(params, runs, results, class_set(params.classes)), {}, {}, runs)])
    notes = [f"{name}: {words}" for name, (verdict, words) in verdicts.items() if words != verdict]
    for line in _answer_lines(answers_of(seed_set), notes):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    if Path("report/index.html").exists():
        console.print(f"report: {Path('report/index.html').resolve()}", soft_wrap=True, highlight=False)


def _summary_table(results: list[Result], headline: str, verdicts: dict[str, str]) -> Table:
    source, oracle = baseline(results, "initial", headline), baseline(results, "oracle", headline)
    names = list(results[0].metrics)
    columns = (
        "run",
        "method",
        *map(metric_in_words, names),
        f"Δ {metric_in_words(headline)}",
        "gap closed",
        "coverage",
        "precision",
    )
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


def _answer_lines(answers: Answers, verdicts: list[str]) -> list[str]:
    """Return the answers below their questions; ``verdicts``: on rounds that do not hold."""
    steps = [line for step in answers.steps for line in (step.why, *(f"    {line}" for line in step.lines))]
    questions = {
        "Did it work?": [*answers.worked, answers.caution] if answers.caution else answers.worked,
        "Which classes?": answers.classes,
        "Can I trust it?": [*verdicts, *answers.trust],
        "What next?": steps,
    }
    return [line for question, lines in questions.items() if lines for line in (question, *lines, "")]


def _class_table(results: list[Result]) -> Table:
    table = Table("class", *(result.name for result in results), title="IoU of each class (percent)")
    for name in results[0].class_iou:
        table.add_row(name, *(percent(result.class_iou.get(name)) for result in results))
    return table
