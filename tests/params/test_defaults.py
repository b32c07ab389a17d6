"""A default that changes is no change of params.yaml: somebody has to tell DVC."""

from __future__ import annotations

import copy
import json

import pytest

from tests.params import defaults

RENEW = "run `python -m tests.params.defaults`"


@pytest.fixture(scope="module")
def file() -> dict:
    return json.loads(defaults.FILE.read_text(encoding="utf-8"))


def test_a_changed_default_raises_its_section(file: dict) -> None:
    silent, stale = defaults.differences(file)
    assert not silent, f"raise these sections in pipeline/params/changed_defaults.yaml, and then {RENEW}: {silent}"
    assert not stale, f"{RENEW}: {stale}"


def test_every_section_has_its_number() -> None:
    assert set(defaults.counters()) == set(defaults.all_defaults())


def test_another_value_is_noticed_and_a_new_key_only_asks_for_a_renewal(file: dict) -> None:
    assert file["defaults"]["pretrain"]["optimiser.learning_rate"] == 1e-4
    assert len(file["defaults"]) >= 10
    other = copy.deepcopy(file)
    other["defaults"]["pretrain"]["batch"] = 3
    del other["defaults"]["dump"]["flip"]
    assert defaults.differences(other) == (["pretrain batch"], ["dump flip"])
    other["changed"]["pretrain"] = -1  # raised since
    assert defaults.differences(other) == ([], ["dump flip", "pretrain batch"])
