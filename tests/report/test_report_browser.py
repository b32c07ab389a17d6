"""The report in a real browser: nothing is fetched, nothing overflows, nothing that axe finds."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.report.merge_seeds import merge_seeds
from tests.report.records import record_of_runs, round_record, run_record

pytestmark = pytest.mark.browser


LONG = "translated-by-colour"
"""The name of a second start: chains that do not begin with the first carry it."""


@pytest.fixture
def report(write_workspace: Callable[..., Path], tmp_path: Path) -> Path:
    """The page of four chains and three seeds."""
    folders = []
    for seed in (1, 2, 3):
        runs = [run_record("source-only", "initial", 0.4), run_record(LONG, "initial", 0.4)]
        runs.append(run_record("oracle", "oracle", 0.6))
        for number, (method, start) in enumerate(
            (("lse", "source-only"), ("cbst", "source-only"), ("cada", "source-only"), ("intrada", LONG))
        ):
            for place in (1, 2, 3):
                init = start if place == 1 else f"{method}-{place - 1}"
                value = 0.4 + 0.01 * place * (number - seed / 2)
                facts = {"kind": method, "round": place}
                runs.insert(-1, round_record(f"{method}-{place}", value, init) | facts)
        folders.append(write_workspace(f"seed-{seed}", record_of_runs(runs, seed)))
    merge_seeds(folders, tmp_path / "out")
    return tmp_path / "out" / "index.html"


_CUT = """() => [...document.querySelectorAll("svg text")].filter((text) => {
    const own = text.getBoundingClientRect(), whole = text.ownerSVGElement.getBoundingClientRect();
    return own.left < whole.left - 0.5 || own.right > whole.right + 0.5;
}).map((text) => text.textContent)"""
"""The words of charts that reach beyond their chart, where they are cut."""


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (800, "light"), (1280, "dark"), (390, "dark")])
def test_the_page_is_quiet_fits_and_is_accessible(report: Path, width: int, scheme: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Debian's chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text))
        page.on("request", lambda request: told.append(request.url))
        page.goto(report.as_uri())
        assert told == [report.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(_CUT) == []
        answer = axe.Axe().run(page).response
        browser.close()
    assert [violation["id"] for violation in answer["violations"]] == []
    assert len(answer["passes"]) > 20
