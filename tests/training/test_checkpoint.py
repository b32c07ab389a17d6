"""A checkpoint restores model, optimiser, step and random state, and cannot run code."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline.training.checkpoint import load_checkpoint, save_checkpoint


def made() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Linear(3, 2)
    return model, torch.optim.AdamW(model.parameters(), lr=0.1)


def learn(model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    model(torch.randn(4, 3)).square().sum().backward()
    optimiser.step()


def test_no_checkpoint_is_step_0(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "checkpoint.pt", *made()).step == 0


def test_training_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    model, optimiser = made()
    learn(model, optimiser)
    save_checkpoint(path, model, optimiser, 7)
    learn(model, optimiser)

    resumed, its_optimiser = made()
    torch.manual_seed(12345)  # another random state than the one saved
    assert load_checkpoint(path, resumed, its_optimiser).step == 7
    learn(resumed, its_optimiser)

    for expected, found in zip(model.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(expected, found)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Harm:
        def __reduce__(self) -> tuple:
            return Path.touch, (ran,)

    path = tmp_path / "checkpoint.pt"
    torch.save({"step": 1, "model": Harm()}, path)
    with pytest.raises(pickle.UnpicklingError, match=r"[Ww]eights"):
        load_checkpoint(path, *made())
    assert not ran.exists()


def test_a_failed_save_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.pt"
    model, optimiser = made()
    save_checkpoint(path, model, optimiser, 3)

    def full_disk(state: object, place: Path) -> None:
        Path(place).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(path, model, optimiser, 4)
    assert load_checkpoint(path, model, optimiser).step == 3
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_that_sees_fewer_gpus_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Played: four GPUs when it was saved, two when it resumes."""
    states = [torch.full((4,), number, dtype=torch.uint8) for number in range(4)]
    path = tmp_path / "checkpoint.pt"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: states)
    save_checkpoint(path, *made(), 3)
    restored: list[torch.Tensor] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", restored.extend)
    assert load_checkpoint(path, *made()).step == 3
    assert [int(state[0]) for state in restored] == [0, 1]
