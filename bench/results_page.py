"""docs/results.md: one section for each pair of domains, replaced as a whole when its benchmark runs again."""

from __future__ import annotations

import re
import statistics
from typing import TYPE_CHECKING

from bench.workspace import ROOT
from pipeline.files import write_text

if TYPE_CHECKING:
    from bench.accuracy import Collected

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
    source = collected.values["source-only"]
    for name, values in collected.values.items():
        change = [value - base for value, base in zip(values, source, strict=True)]
        pseudo = collected.pseudo.get(name, {})
        cells = [_mean(values), "–" if name == "source-only" else _mean(change, sign=True)]
        cells.append(
            "–" if name in ("source-only", "oracle") else _gap_closed(values, source, collected.values["oracle"])
        )
        cells += [_mean(pseudo[what]) if what in pseudo else "–" for what in ("coverage", "precision")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    columns = ["source-only", *last_rounds, *(name for name in ("oracle",) if name in collected.classes)]
    lines += ["", "IoU of each class, mean over the seeds:", ""]
    lines += [f"| class | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for label in collected.classes["source-only"]:
        values = [collected.classes[name].get(label) for name in columns]
        shown = ["–" if found is None else f"{100 * statistics.mean(found):.1f}" for found in values]
        lines.append(f"| {label} | {' | '.join(shown)} |")
    return lines


def _gap_closed(values: list[float], source: list[float], oracle: list[float]) -> str:
    """The share of the way from source-only to the oracle, of the means."""
    gap = statistics.mean(oracle) - statistics.mean(source)
    return f"{100 * (statistics.mean(values) - statistics.mean(source)) / gap:.0f} %" if gap > 0 else "–"


def _mean(values: list[float], *, sign: bool = False) -> str:
    deviation = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    mean = 100 * statistics.mean(values)
    return (f"{mean:+.1f}" if sign else f"{mean:.1f}") + deviation
