"""One file per model: whole or not at all, and clear about what it is not."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.models.build import build_model, set_normalisation
from pipeline.models.model_file import ModelFileError
from pipeline.models.state import load_model, save_model

NAMES = ["road", "sky", "tree"]


def small_model(seed: int = 0, **options: Any) -> Any:
    return build_model("small", 3, generator=torch.Generator().manual_seed(seed), **options)


@pytest.mark.parametrize("options", [{}, {"heads": 2, "encoder": "efficientnet-lite0", "preprocessing": "caffe-bgr"}])
def test_loaded_model_answers_the_same(tmp_path: Path, options: dict[str, Any]) -> None:
    model = small_model(seed=7, **options)
    model.train()(torch.randn(2, 3, 32, 64, generator=torch.Generator().manual_seed(1)))  # moves the statistics
    save_model(model, tmp_path / "model.pt", spec={"class_names": NAMES})
    loaded = load_model(tmp_path / "model.pt", "cpu")
    assert not loaded.training
    images = torch.randint(0, 256, (1, 3, 40, 50), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = model.eval()(model.preprocessing(images))
        answer = loaded(loaded.preprocessing(images))
    assert torch.equal(answer[0], expected[0])
    assert (answer[1] is None) == (expected[1] is None)
    assert loaded.spec["class_names"] == NAMES
    assert loaded.preprocessing == model.preprocessing
    assert {**model.spec, "class_names": NAMES} == dict(loaded.spec)


def test_loaded_model_trains_what_the_built_one_trains(tmp_path: Path) -> None:
    model = small_model()
    set_normalisation(model, "frozen")
    save_model(model, tmp_path / "model.pt", spec={})
    loaded = load_model(tmp_path / "model.pt", "cpu")
    fresh = small_model()
    for (name, ours), (_, theirs) in zip(loaded.named_parameters(), fresh.named_parameters(), strict=True):
        assert ours.requires_grad == theirs.requires_grad, name
        assert ours.is_leaf
    set_normalisation(loaded, "frozen")
    sizes = [len(group) for group in loaded.parameter_groups().values()]
    assert sizes == [len(group) for group in model.parameter_groups().values()]


def test_unused_branches_stay_frozen_through_a_file(tmp_path: Path) -> None:
    model = build_model("deeplabv2-resnet101", 3, aspp_branches=2)
    save_model(model, tmp_path / "model.pt", spec={})
    loaded = load_model(tmp_path / "model.pt", "cpu")
    assert [loaded.layer5.conv2d_list[i].weight.requires_grad for i in range(4)] == [True, True, False, False]
    assert loaded.layer5.branches == 2


def test_equal_models_give_equal_bytes_under_any_name(tmp_path: Path) -> None:
    save_model(small_model(), tmp_path / "a.pt", spec={"class_names": NAMES})
    save_model(small_model(), tmp_path / "b.pt", spec={"class_names": NAMES})
    save_model(small_model(seed=1), tmp_path / "c.pt", spec={"class_names": NAMES})
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    assert (tmp_path / "a.pt").read_bytes() != (tmp_path / "c.pt").read_bytes()


def test_a_failing_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.pt"
    save_model(small_model(), path, spec={})
    before = path.read_bytes()

    def fail(_content: object, file: Any) -> None:
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(small_model(seed=1), path, spec={})
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.pt"]


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_a_truncated_file_is_named(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "model.pt"
    save_model(small_model(), path, spec={})
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    with pytest.raises(ModelFileError, match=r"model\.pt: not a readable model file; it is truncated"):
        load_model(path, "cpu")


def test_a_text_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a model\n" * 100)
    with pytest.raises(ModelFileError, match=r"notes\.txt: not a readable model file"):
        load_model(path, "cpu")


def test_a_file_that_would_run_code_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "whole.pt"
    torch.save(small_model(), path)  # pickles the class itself
    with pytest.raises(ModelFileError, match=r"whole\.pt: not a readable model file"):
        load_model(path, "cpu")


@pytest.mark.parametrize("content", [{"layer.weight": torch.zeros(1)}, [1, 2], {"format": "other"}])
def test_another_programs_checkpoint_is_named(tmp_path: Path, content: object) -> None:
    path = tmp_path / "foreign.pth"
    torch.save(content, path)
    with pytest.raises(ModelFileError, match=r"foreign\.pth: readable, but not a model that this program saved"):
        load_model(path, "cpu")


def test_a_newer_version_and_unfitting_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    save_model(small_model(), path, spec={})
    content = torch.load(path, weights_only=True)
    torch.save({**content, "version": 2}, path)
    with pytest.raises(ModelFileError, match=r"model\.pt: model file version 2; this program reads 1"):
        load_model(path, "cpu")
    torch.save({**content, "spec": {**content["spec"], "classes": 4}}, path)
    with pytest.raises(ModelFileError, match=r"model\.pt: the stored spec and weights do not fit"):
        load_model(path, "cpu")
    for missing in ("state", "spec"):
        torch.save({key: value for key, value in content.items() if key != missing}, path)
        with pytest.raises(ModelFileError, match=r"model\.pt: the stored spec and weights do not fit"):
            load_model(path, "cpu")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"absent\.pt: is missing"):
        load_model(tmp_path / "absent.pt", "cpu")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"classes": 4}, "spec says classes is 4, but the model has 3"),
        ({"encoder": "efficientnet-lite0"}, "spec says encoder is 'efficientnet-lite0', but the model has"),
        ({"class_names": ["road"]}, "spec has 1 class_names for a model of 3 classes"),
        ({"origin": {"folder": Path("x")}}, r"spec\['origin'\]\['folder'\] is a \w*Path; a model file keeps plain"),
    ],
)
def test_a_wrong_spec_is_refused_before_anything_is_written(tmp_path: Path, spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        save_model(small_model(), tmp_path / "model.pt", spec=spec)
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_a_recorded_spec_needs_one_from_the_caller(tmp_path: Path) -> None:
    model = small_model()
    recorded, model.spec = model.spec, {}
    with pytest.raises(ValueError, match="not built by build_model, and spec lacks architecture, classes, encoder"):
        save_model(model, tmp_path / "model.pt", spec={})
    save_model(model, tmp_path / "model.pt", spec=recorded)
    assert load_model(tmp_path / "model.pt", "cpu").spec == recorded


def test_none_in_the_spec_says_nothing(tmp_path: Path) -> None:
    save_model(small_model(), tmp_path / "model.pt", spec={"preprocessing": None})
    assert load_model(tmp_path / "model.pt", "cpu").spec["preprocessing"] == "imagenet-rgb"


def test_the_spec_may_repeat_what_the_model_knows(tmp_path: Path) -> None:
    model = small_model()
    save_model(
        model, tmp_path / "model.pt", spec={"architecture": "small", "classes": 3, "class_names": NAMES, "round": 2}
    )
    assert load_model(tmp_path / "model.pt", "cpu").spec["round"] == 2
