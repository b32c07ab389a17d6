"""docs/results.md: one section for each pair of domains, replaced as a whole when its benchmark runs again."""

from __future__ import annotations

import re

from bench.collected import BASE, ORACLE, Collected
from bench.workspace import ROOT
from pipeline.common.files import write_text
from pipeline.evaluation.over_seeds import percent, percent_of, spread

PAGE = ROOT / "docs" / "results.md"
_HEAD = """# Results

What each method earns on each pair of domains, written by `bench/accuracy.py` with the command that each section names.
LSE, CBST and ST begin with the same source-only network, IntraDA with the one that AdvEnt aligned, CADA with the one of
style alignment; all train with the same `adapt` settings and, but for IntraDA, beside the whole source. Portions follow
the papers (`roundabout rounds METHOD`).
*source-only, as many steps* is the control: the source network trained for as many steps as the last of three rounds
has seen. *gap closed* is the share of the way from source-only to the oracle. Coverage and precision are those of the
pseudo-labels in the selected images, told after training.
"""


def write_section(name: str, collected: Collected, last_rounds: list[str], how: str) -> None:
    """Writes or replaces the section of a pair of domains."""
    write_lines(name, _section(collected, last_rounds, how))


def write_lines(name: str, lines: list[str]) -> None:
    """Writes or replaces a section between its markers; what people wrote outside of them stays."""
    body = "\n".join(lines)
    marked = f"<!-- begin {name} -->\n{body}\n<!-- end {name} -->"
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else _HEAD
    pattern = re.compile(rf"<!-- begin {re.escape(name)} -->.*<!-- end {re.escape(name)} -->", re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: marked, text)
    else:
        text = f"{text.rstrip()}\n\n## {name}\n\n{marked}\n"
    write_text(PAGE, text)


def _section(collected: Collected, last_rounds: list[str], how: str) -> list[str]:
    lines = [f"{how}.", "", f"Mean {collected.headline} in percent, ± standard deviation over the seeds:", ""]
    lines += ["| run | result | Δ source-only | gap closed | coverage | precision |", "|---|---|---|---|---|---|"]
    for run in collected.runs:
        values, closed = collected.values(run), collected.gap_closed(run)
        cells = [
            percent_of(spread(values)),
            "–" if run == BASE else percent_of(spread(collected.gains(run)), signed=True),
        ]
        cells.append("–" if closed is None else f"{100 * closed:.0f} %")
        cells += [percent_of(spread(collected.pseudo_labels(run, what))) for what in ("coverage", "precision")]
        fewer = f" ({len(values)} of {len(collected.seeds)} seeds)" if len(values) < len(collected.seeds) else ""
        lines.append(f"| {run}{fewer} | {' | '.join(cells)} |")
    columns = [BASE, *last_rounds, *(name for name in (ORACLE,) if name in collected.answers)]
    classes = {run: collected.classes(run) for run in columns}
    lines += ["", "IoU of each class, mean over the seeds:", ""]
    lines += [f"| class | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for label in classes[BASE]:
        cells = [percent(classes[run].get(label)) for run in columns]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return lines
