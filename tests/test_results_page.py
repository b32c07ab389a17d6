"""Sections of docs/results.md: made, replaced, and nothing else touched."""

from pathlib import Path

import pytest

from bench import results_page
from bench.digits import lines_of


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "results.md"
    monkeypatch.setattr(results_page, "PAGE", path)
    return path


def test_a_page_that_is_not_there_is_made(page: Path) -> None:
    results_page.write_lines("digits", ["one"])
    assert page.read_text().startswith("# Results")
    assert page.read_text().endswith("## digits\n\n<!-- begin digits -->\none\n<!-- end digits -->\n")


def test_a_section_is_replaced_and_others_stay(page: Path) -> None:
    for name, line in (("a", "first line"), ("b", "kept")):
        results_page.write_lines(name, [line])
    page.write_text(page.read_text() + "\nwritten by a person\n")
    results_page.write_lines("a", [r"new \1"])
    text = page.read_text()
    assert r"new \1" in text
    assert "first line" not in text
    assert "kept" in text
    assert text.endswith("written by a person\n")


def test_digits_have_mean_spread_and_the_gain_of_the_intra_domain_step_by_hand() -> None:
    runs = ("source-only", "advent", "advent-longer", "intrada-1", "oracle")
    values = dict(zip(runs, ([0.7, 0.8], [0.8, 0.9], [0.8, 0.8], [0.83, 0.91], [0.95, 0.95]), strict=True))
    lines = lines_of("digits-mnist-usps", values, "how")
    assert "| source only | 75.0 ± 7.1 | 82.2 ± 0.8 |" in lines
    assert "| *intra-domain − adapted* | +2.0 ± 1.4 | – |" in lines
    assert any(line.startswith("| trained on the target's labels | 95.0 ± 0.0 | – |") for line in lines)
