"""Bad inputs end in a sentence that names the file, never in a traceback or in another label (`bench.fuzz`)."""

from __future__ import annotations

from collections import Counter

import pytest

from bench.fuzz import KINDS, tried


@pytest.mark.parametrize("kind", KINDS)
def test_bad_inputs_are_refused_in_words_or_read_rightly(kind: str) -> None:
    cases = [tried(kind, seed) for seed in range(15)]
    assert [case for case in cases if case.outcome in ("wrong label", "unnamed", "traceback")] == []
    assert Counter(case.outcome for case in cases)["refused"] > 5


@pytest.mark.parametrize(("kind", "seed"), [("label", 101), ("label", 272), ("params", 132), ("checkpoint", 9)])
def test_inputs_that_have_been_traceback_or_another_label(kind: str, seed: int) -> None:
    assert tried(kind, seed).outcome == "refused"
