"""Means and spreads over seeds, by hand."""

from __future__ import annotations

import pytest

from pipeline.evaluation.over_seeds import Spread, difference, percent, percent_of, results_table, spread
from pipeline.evaluation.results import Result


def test_mean_and_deviation_by_hand() -> None:
    assert spread([1.0, 2.0, 3.0]) == (2.0, 1.0, 3)
    assert spread([None, 0.5, None]) == (0.5, None, 1)
    assert spread([None]) is None
    assert spread([]) is None


def test_differences_are_taken_seed_by_seed() -> None:
    # means 0.2 apart; the seeds themselves are far apart, their differences are not
    assert difference([0.3, 0.7], [0.1, 0.5]) == (pytest.approx(0.2), pytest.approx(0.0, abs=1e-12), 2)
    assert difference([0.3, None], [0.1, 0.5]) == (pytest.approx(0.2), None, 1)
    with pytest.raises(ValueError):  # a seed too many has nothing to be compared with
        difference([0.3, 0.7], [0.1])


def test_more_than_the_spread_or_within_it() -> None:
    assert Spread(0.02, 0.01, 3).certain
    assert Spread(-0.02, 0.01, 3).certain
    assert not Spread(0.01, 0.02, 3).certain
    assert not Spread(0.5, None, 1).certain  # one seed says nothing of the spread


def test_words_by_hand() -> None:
    assert [percent(value) for value in (None, 0.0, 0.12349, 1.0)] == ["–", "0.0", "12.3", "100.0"]
    assert [percent(value, signed=True) for value in (0.0, 1.0, -0.5)] == ["+0.0", "+100.0", "-50.0"]
    assert percent_of(None) == "–"
    assert percent_of(Spread(0.289, 0.007, 3)) == "28.9 ± 0.7"
    assert percent_of(Spread(0.03, None, 1), signed=True) == "+3.0"
    assert percent_of(Spread(-0.03, 0.004, 2), signed=True) == "-3.0 ± 0.4"


def test_the_table_has_mean_and_deviation_over_the_seeds_that_have_a_run() -> None:
    def result(name: str, value: float | None, kind: str = "lse") -> Result:
        return Result(name, kind, {"mIoU": value}, {}, {}, {})

    by_seed = {
        1: [result("source-only", 0.4, "initial"), result("lse-1", 0.5), result("lse-2", None)],
        2: [result("source-only", 0.42, "initial")],
    }
    assert results_table(by_seed) == [
        {"run": "source-only", "method": "initial", "seeds": 2, "mIoU": "41.0 ± 1.4"},
        {"run": "lse-1", "method": "lse", "seeds": 1, "mIoU": "50.0"},
        {"run": "lse-2", "method": "lse", "seeds": 1, "mIoU": "–"},
    ]
    assert results_table({1: []}) == []
