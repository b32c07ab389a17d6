"""Sections of docs/results.md: made, replaced, and nothing else touched."""

from pathlib import Path

import pytest

from bench import results_page
from bench.accuracy import control_steps, last_rounds_of, with_steps
from bench.collected import Collected
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


def results(**values: float) -> dict:
    """report/results.json of one seed, with pseudo-labels for rounds."""
    return {
        "headline": "mIoU",
        "runs": [
            {
                "name": name.replace("_", "-"),
                "mIoU": value,
                "IoU": {"road": value, "train": None},
                "pseudo_labels": {"coverage": 0.5, "precision": None} if name[-1].isdigit() else {},
            }
            for name, value in values.items()
        ],
    }


def test_seeds_with_other_runs_are_paired_by_seed(page: Path) -> None:
    collected = Collected()
    collected.add("2", results(lse_1=0.30, source_only=0.20, oracle=0.60))
    collected.add("10", results(lse_1=0.34, source_only=0.30, cada_1=0.31, cada_2=0.33, oracle=0.60))
    collected = Collected.read(collected.as_json())
    assert collected.seeds == ["2", "10"] and collected.runs[0] == "source-only"
    assert collected.gains("lse-1") == pytest.approx([0.10, 0.04])
    assert collected.gains("cada-2") == pytest.approx([0.03])
    assert collected.gap_closed("cada-2") == pytest.approx(0.03 / 0.30)
    assert last_rounds_of(collected) == ["lse-1", "cada-2"]
    rows = {row.row: row for row in collected.rows(["lse-1", "cada-2"])}
    assert rows["gain of lse-1"].met is True and rows["gain of cada-2"].met is None
    assert rows["lse-1: road"].value == pytest.approx(32)
    results_page.write_section("pair", collected, ["lse-1", "cada-2"], "`command`; note")
    text = page.read_text()
    assert "| lse-1 | 32.0 ± 2.8 | +7.0 ± 4.2 | 20 % | 50.0 ± 0.0 | – |" in text
    assert "| cada-2 (1 of 2 seeds) | 33.0 | +3.0 | 10 % | 50.0 | – |" in text
    assert "| road | 25.0 | 32.0 | 33.0 | 60.0 |" in text


def test_a_seed_that_runs_again_replaces_its_answers() -> None:
    collected = Collected()
    for value in (0.2, 0.4):
        collected.add("1", results(source_only=value))
    assert collected.values("source-only") == [0.4]


SECTIONS = {"pretrain": {"steps": 100}, "adapt": {"steps": 10}, "initial_models": {"source-only": {}}}


@pytest.mark.parametrize(("chain", "steps"), [(("a",), 100 + 3 * 10), (("a", "b", "c", "d"), 100 + 4 * 10)])
def test_the_control_sees_the_same_steps_whatever_methods_a_day_adds(chain: tuple[str, ...], steps: int) -> None:
    rounds = {name: {"init": init} for name, init in zip(chain, ("source-only", *chain), strict=False)}
    assert control_steps(SECTIONS | {"rounds": rounds}) == steps


@pytest.mark.parametrize(("own", "steps"), [({"steps": 25}, 100 + 25 + 2 * 10), ({"batch": 2}, 100 + 3 * 10)])
def test_the_control_sees_the_steps_that_rounds_have_of_their_own(own: dict[str, int], steps: int) -> None:
    rounds = {"a": {"init": "source-only", "adapt": own}, "b": {"init": "a"}, "c": {"init": "b"}}
    assert control_steps(SECTIONS | {"rounds": rounds}) == steps


def test_the_control_sees_the_steps_that_its_initial_model_has_of_its_own() -> None:
    initial_models = {"source-only": {"pretrain": {"steps": 70, "batch": 2}}}
    params = SECTIONS | {"initial_models": initial_models, "rounds": {}}
    assert control_steps(params) == 70 + 3 * 10
    longer = with_steps(initial_models["source-only"], 100)
    assert longer == {"pretrain": {"steps": 100, "batch": 2}}
