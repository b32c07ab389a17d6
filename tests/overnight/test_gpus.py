"""GPUs shared evenly among the slots."""

import pytest

from pipeline.overnight.gpus import gpus_here, share_of_gpus, shares


def test_every_slot_has_gpus_of_its_own():
    assert shares(["0", "1", "2", "3"], 2) == ["0,1", "2,3"]
    assert shares(["0", "1", "2"], 3) == ["0", "1", "2"]
    assert shares(["0", "1"], 1) == [], "one slot sees them all"
    assert shares(["0"], 2) == [], "two stages share a GPU: nothing to say"
    assert shares([], 2) == []


def test_stages_side_by_side_see_different_gpus(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert gpus_here() == ["4", "7"]
    with share_of_gpus(2) as first, share_of_gpus(2) as second:
        assert {first["CUDA_VISIBLE_DEVICES"], second["CUDA_VISIBLE_DEVICES"]} == {"4", "7"}
    with share_of_gpus(2) as again:
        assert again == {"CUDA_VISIBLE_DEVICES": "4"}, "given back"


@pytest.mark.parametrize("named", ["", "3"])
def test_one_gpu_or_none_is_left_as_it_is(monkeypatch, named):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    with share_of_gpus(2) as seen:
        assert seen == {}
