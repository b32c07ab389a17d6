"""``roundabout plots``: what `dvc plots` draws, in one file that needs no network."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import console, readable
from pipeline.common.errors import ReadableError
from pipeline.common.system_errors import system_number
from pipeline.dvc_view.graph import dvc, environment

# DVC puts the plots where {plot_divs} is. Its own page has {scripts}, too: Vega's addresses, which the bundle replaces.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Plots</title>
<style>body {{ font-family: sans-serif; }}</style>
<script>{bundle}</script>
</head>
<body>
{{plot_divs}}
</body>
</html>
"""


@readable
def plots(
    revisions: Annotated[
        list[str] | None, typer.Argument(metavar="[REVISION]...", help="commits or experiments; default: what is here")
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for index.html")] = Path("dvc_plots"),
) -> None:
    """Draw what `dvc plots` draws into one file that needs no network; several revisions beside each other."""
    bundle = _vega()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(_PAGE.format(bundle=bundle), encoding="utf-8")
        _draw(revisions or [], page, out)
    console.print(f"{out / 'index.html'}: opens in any browser, also offline", highlight=False, soft_wrap=True)


def _vega() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script.

    Raises:
        ReadableError: the package that holds them is not installed.
    """
    try:
        import vl_convert
    except ImportError:
        raise ReadableError(
            "the package vl-convert-python, which holds Vega, is not installed; run `pip install 'roundabout[plots]'`, "
            "or open report/index.html, which has the same charts and needs nothing"
        ) from None
    bundle: str = vl_convert.javascript_bundle()
    return bundle


def _draw(revisions: list[str], page: Path, out: Path) -> None:
    """Let DVC draw.

    Raises:
        ReadableError: it cannot; in its words.
    """
    what = ["diff", *revisions] if revisions else ["show"]
    command = [*dvc(), "plots", *what, "--html-template", str(page), "--out", str(out)]
    (out / "index.html").unlink(missing_ok=True)  # without plots DVC leaves it, and says that all is well
    answer = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if answer.returncode or not (out / "index.html").is_file():
        if number := system_number(OSError(answer.stderr)):
            raise OSError(number, os.strerror(number), str(out))
        words = answer.stderr.strip()[-2000:]
        raise ReadableError(f"there is nothing to draw; run `dvc repro` first, or mend dvc.yaml. DVC says: {words}")
