"""What is wrong with a data set: collected file by file, reported all at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import ReadableError

SHOWN = 20
"""Problems that an error message shows; the report has them all."""


class DataError(ReadableError, ValueError):
    """A data set cannot be used as params.yaml describes it; the message names the files and what to do."""


class Problem(NamedTuple):
    """One thing that is wrong with one file."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def write_report(problems: Sequence[Problem], path: Path | str) -> None:
    """Write one line per problem, also where there is none: an empty report says that all files were looked at."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", encoding="utf-8", errors="backslashreplace") as report:
        report.writelines(f"{problem}\n" for problem in problems)
    temporary.replace(path)


def raise_on(problems: Sequence[Problem], report: Path | str | None = None) -> None:
    """Raise DataError where there are problems: it shows the first 20 and names the file that has all of them.

    ``report`` is that file, which is written here; without it the message ends at a count.
    """
    if not problems:
        return
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"{count} with the data", *(f"  - {problem}" for problem in problems[:SHOWN])]
    if len(problems) > SHOWN:
        lines.append(f"  … and {len(problems) - SHOWN} more")
    if report is not None:
        write_report(problems, report)
        lines.append(f"the full report is in {report}")
    raise DataError("\n".join(lines))
