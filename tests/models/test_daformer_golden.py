"""SegFormer, DAFormer and HRDA answer what the authors' code answered, through `checkpoint import` and its names."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from pipeline.checkpoints.convert import read_weights
from pipeline.checkpoints.import_export import model_of
from pipeline.cli import app
from pipeline.models.base import SegmentationModel
from pipeline.models.build import ModelSpec, build_model, construct_model
from pipeline.models.daformer import starts
from pipeline.models.mit import drop_path
from pipeline.models.state import load_model
from pipeline.params import Optimiser, Schedule
from pipeline.training.optimisation import make_optimiser, rate_factor
from tests.golden_values import CHANNEL_STEP, checkpoint_keys, daformer_code
from tests.models.test_architectures_golden import golden_tensor, relative_error

TOLERANCE = 2e-5


def golden(key: str) -> Tensor:
    return torch.from_numpy(daformer_code()[key]).float()


def drawn(architecture: str, encoder: str) -> dict[str, Tensor]:
    """The authors' state dict; that its names are theirs shows in the outputs, for weights are drawn by name."""
    spec = ModelSpec(architecture, 19, encoder, 1, 4, "imagenet-rgb")
    return {key: golden_tensor(key, value.shape) for key, value in construct_model(spec).state_dict().items()}


def filled(architecture: str, encoder: str) -> SegmentationModel:
    model = construct_model(ModelSpec(architecture, 19, encoder, 1, 4, "imagenet-rgb"))
    model.load_state_dict(drawn(architecture, encoder), assign=True)
    return model.eval()


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.mark.parametrize("architecture", ["segformer", "daformer", "hrda"])
def test_names_shapes_and_order_are_the_authors(architecture: str) -> None:
    model = construct_model(ModelSpec(architecture, 19, "mit-b0", 1, 4, "imagenet-rgb"))
    ours = {key: list(value.shape) for key, value in model.state_dict().items()}
    assert list(ours.items()) == list(checkpoint_keys(f"{architecture}_mit_b0").items())


@pytest.mark.parametrize("size", ["64x128", "97x161"])
def test_features_and_logits_of_b0_are_the_authors(size: str) -> None:
    model = filled("daformer", "mit-b0")
    features = model.backbone(golden(f"input_{size}"))
    for stage, feature in enumerate(features, start=1):
        assert relative_error(feature[:, ::CHANNEL_STEP], golden(f"mit_b0_features{stage}_{size}")) < TOLERANCE
    logits, _ = model(golden(f"input_{size}"))
    assert relative_error(logits, golden(f"daformer_b0_logits_{size}")) < TOLERANCE
    assert logits.is_contiguous()  # as stored in a cache, so that its up-sampling is the same bit for bit


def test_logits_of_b5_are_the_authors() -> None:
    logits, _ = filled("daformer", "mit-b5")(golden("input_64x64"))
    assert relative_error(logits, golden("daformer_b5_logits_64x64")) < TOLERANCE


def test_logits_of_segformer_are_the_authors() -> None:
    logits, _ = filled("segformer", "mit-b0")(golden("input_64x128"))
    assert relative_error(logits, golden("segformer_b0_logits_64x128")) < TOLERANCE


def test_hrda_over_sliding_crops_is_the_authors() -> None:
    model = filled("hrda", "mit-b0")
    model.crop = 64
    context, attention, _ = model.context(golden("hrda_input_96x128"))
    assert relative_error(context, golden("hrda_b0_context_logits_96x128")) < TOLERANCE
    assert relative_error(attention, golden("hrda_b0_attention_96x128")) < TOLERANCE
    assert relative_error(model(golden("hrda_input_96x128"))[0], golden("hrda_b0_logits_96x128")) < TOLERANCE


def test_hrda_of_one_crop_and_of_odd_sizes_has_logits_at_stride_4() -> None:
    model = filled("hrda", "mit-b0")
    logits, _, (first, _, last) = model.forward_with_front(golden("input_97x161"))
    assert logits.shape == (1, 19, 26, 42)
    assert (first.shape[-2:], last.shape[-2:]) == ((13, 21), (2, 3))
    assert bool(logits.isfinite().all())


def test_where_hrda_s_crops_begin() -> None:
    # 1024 by 512: the authors' nine boxes are these three, by rows and columns; the last one ends with the image
    assert starts(1024, 512) == [0, 256, 512]
    assert starts(96, 64) == [0, 32]
    assert starts(100, 64) == [0, 32, 36]
    assert starts(64, 64) == [0]


def test_epsilons_of_layer_norms_are_the_authors() -> None:
    model = construct_model(ModelSpec("daformer", 19, "mit-b0", 1, 4, "imagenet-rgb"))
    ours = {name: layer.eps for name, layer in model.named_modules() if isinstance(layer, nn.LayerNorm)}
    values = daformer_code()
    theirs = dict(zip(values["layernorm_keys"].tolist(), values["layernorm_eps"].tolist(), strict=True))
    assert len(ours) == 30
    assert ours == theirs


def test_rates_and_decay_of_every_parameter_are_the_authors() -> None:
    model = construct_model(ModelSpec("daformer", 19, "mit-b0", 1, 4, "imagenet-rgb"))
    settings = Optimiser(name="adamw", learning_rate=6e-5, head_factor=10, weight_decay=0.01, no_decay="norm")
    optimiser = make_optimiser(model.parameter_groups(), settings, model.norm_parameters())
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    ours = {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in optimiser.param_groups
        for parameter in group["params"]
    }
    values = daformer_code()
    columns = (values[f"optimizer_{column}"].tolist() for column in ("keys", "lr", "weight_decay"))
    theirs = {key: (rate, decay) for key, rate, decay in zip(*columns, strict=True)}
    assert len(ours) == 210
    assert ours == {key: pytest.approx(value) for key, value in theirs.items()}


def test_the_schedule_is_the_authors_but_for_one_step_of_warming_up() -> None:
    values, schedule = daformer_code(), Schedule(name="poly", power=1.0, warmup=1500)
    for step, (encoder_rate, head_rate) in zip(values["lr_iterations"], values["lr_rates"], strict=True):
        factor = rate_factor(schedule, int(step), 40_000)
        # theirs begins at 1e-6 of the rate, ours at the first of 1500 steps
        within = 6e-5 / 1500 if step < 1500 else 1e-15
        assert 6e-5 * factor == pytest.approx(encoder_rate, abs=within)
        assert 6e-4 * factor == pytest.approx(head_rate, abs=10 * within)


@pytest.mark.parametrize("encoder", ["mit-b0", "mit-b5"])
def test_rates_of_stochastic_depth_are_the_authors(encoder: str) -> None:
    model = construct_model(ModelSpec("daformer", 19, encoder, 1, 4, "imagenet-rgb"))
    ours = [layer.drop_path_rate for layer in model.modules() if hasattr(layer, "drop_path_rate")]
    assert ours == pytest.approx(daformer_code()[f"drop_path_{encoder[4:]}"].tolist(), rel=1e-6)


def test_stochastic_depth_leaves_out_whole_samples_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    answer = drop_path(torch.ones(4000, 2, 3), 0.2, training=True)
    kept = answer[:, 0, 0] > 0
    assert torch.equal(answer, kept.float().view(-1, 1, 1) / 0.8 * torch.ones(4000, 2, 3))
    assert float(kept.float().mean()) == pytest.approx(0.8, abs=0.03)
    assert torch.equal(drop_path(torch.ones(2, 2, 3), 0.2, training=False), torch.ones(2, 2, 3))


def test_fresh_weights_come_from_the_generator_alone() -> None:
    first, second, other = (
        build_model("daformer", 5, encoder="mit-b0", generator=torch.Generator().manual_seed(seed)).state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    drawn_keys = [key for key in first if key.endswith("weight") and first[key].ndim > 1]
    assert len(drawn_keys) > 50
    assert all(not torch.equal(first[key], other[key]) for key in drawn_keys)
    assert float(first["backbone.block4.0.mlp.fc1.weight"].std()) == pytest.approx(0.0176, rel=0.02)  # 0.02, cut


def uda_file(tmp_path: Path) -> tuple[Path, dict[str, dict[str, Tensor]]]:
    """A checkpoint as MIC's training writes it: student, teacher and ImageNet's network, below `state_dict`."""
    networks = {
        prefix: {key: value + number * 1e-3 for key, value in drawn("hrda", "mit-b0").items()}
        for number, prefix in enumerate(("model", "ema_model", "imnet_model"))
    }
    state = {f"{prefix}.{key}": value for prefix, tensors in networks.items() for key, value in tensors.items()}
    torch.save({"meta": {"iter": 40000}, "state_dict": state}, tmp_path / "iter_40000.pth")
    return tmp_path / "iter_40000.pth", networks


def test_a_prefix_chooses_student_teacher_or_imagenet_s_and_export_writes_it_back(tmp_path: Path) -> None:
    path, networks = uda_file(tmp_path)
    answer = CliRunner().invoke(app, ["checkpoint", "import", str(path), str(tmp_path / "all.pt")])
    assert answer.exit_code == 1
    for name in networks:
        assert f"state_dict.{name} (hrda-mit-b0)" in " ".join(answer.output.split())
    for prefix in ("model", "ema_model"):
        theirs = networks[prefix]
        ours, back = tmp_path / f"{prefix}.pt", tmp_path / f"{prefix}.pth"
        options = ["checkpoint", "import", str(path), str(ours), "--prefix", prefix]
        assert CliRunner().invoke(app, options).exit_code == 0
        assert load_model(ours, "cpu").spec["encoder"] == "mit-b0"
        assert CliRunner().invoke(app, ["checkpoint", "export", str(ours), str(back)]).exit_code == 0
        state = torch.load(back, weights_only=True)
        assert list(state) == list(theirs)
        assert all(torch.equal(state[key], value) for key, value in theirs.items())


def test_segformer_s_unused_classifier_goes_in_and_out(tmp_path: Path) -> None:
    theirs = drawn("segformer", "mit-b0")
    torch.save(theirs, tmp_path / "segformer.pth")
    assert CliRunner().invoke(app, ["checkpoint", "import", *_paths(tmp_path, "segformer.pth", "a.pt")]).exit_code == 0
    assert CliRunner().invoke(app, ["checkpoint", "export", *_paths(tmp_path, "a.pt", "back.pth")]).exit_code == 0
    state = torch.load(tmp_path / "back.pth", weights_only=True)
    assert all(torch.equal(state[key], value) for key, value in theirs.items())
    model = load_model(tmp_path / "a.pt", "cpu")
    assert not model.decode_head.conv_seg.weight.requires_grad


def _paths(folder: Path, *names: str) -> list[str]:
    return [str(folder / name) for name in names]


def test_imagenet_s_encoder_drops_its_classifier_and_says_so(tmp_path: Path) -> None:
    encoder = {
        key.removeprefix("backbone."): value
        for key, value in drawn("daformer", "mit-b0").items()
        if key.startswith("backbone.")
    }
    torch.save({**encoder, "head.weight": torch.ones(1000, 256), "head.bias": torch.ones(1000)}, tmp_path / "b0.pth")
    weights = read_weights(tmp_path / "b0.pth")
    assert weights.kind == "mit-b0-imagenet"
    assert "2 tensors not read: head.weight, head.bias" in weights.findings
    assert weights.fresh == {"decode_head"}
    model = model_of(weights)
    assert torch.equal(model.backbone.norm4.weight, encoder["norm4.weight"])
