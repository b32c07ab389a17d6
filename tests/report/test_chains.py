"""Chains of rounds."""

from __future__ import annotations

from pipeline.report.chains import Chain, chains_of, depth

KINDS = {
    "source-only": "initial", "advent": "initial", "lse-1": "lse", "lse-2": "lse", "cbst-1": "cbst", "ida": "intrada",
    "mixed": "cada", "oracle": "oracle",
}  # fmt: skip
INITS = {"lse-1": "source-only", "lse-2": "lse-1", "cbst-1": "source-only", "ida": "advent", "mixed": "lse-1"}


def test_every_round_that_nothing_follows_ends_a_chain() -> None:
    assert chains_of(KINDS, INITS) == [
        Chain("LSE", "source-only", ("lse-1", "lse-2")),
        Chain("CBST", "source-only", ("cbst-1",)),
        Chain("INTRADA from advent", "advent", ("ida",)),
        Chain("LSE → CADA", "source-only", ("lse-1", "mixed")),
    ]
    assert [depth(name, KINDS, INITS) for name in ("source-only", "lse-1", "lse-2", "oracle")] == [0, 1, 2, 0]


def test_two_chains_of_a_method_are_told_apart() -> None:
    kinds = {"source-only": "initial", "a-1": "lse", "b-1": "lse"}
    found = chains_of(kinds, {"a-1": "source-only", "b-1": "source-only"})
    assert [chain.label for chain in found] == ["LSE (a-1)", "LSE (b-1)"]


def test_a_round_whose_beginning_is_not_evaluated_still_has_its_chain() -> None:
    (chain,) = chains_of({"source-only": "initial", "lse-2": "lse"}, {"lse-1": "source-only", "lse-2": "lse-1"})
    assert chain.rounds == ("lse-1", "lse-2")
    assert chains_of({"source-only": "initial"}, {}) == []
