"""ONNX: bytes in, logits at image size out, any batch, and a check that can fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.models import onnx as exporting
from pipeline.models.base import PREPROCESSINGS, SegmentationModel, Upsample, at_size
from pipeline.models.build import build_model
from pipeline.models.onnx import FromBytes, OnnxError, Parity, compare, export_onnx, random_images

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
SIZE = (40, 56)


class Tiny(SegmentationModel):
    """One convolution at stride 8: torch's exporter takes long over real networks."""

    HEAD_PARTS = frozenset({"classify"})

    def __init__(self, seed: int) -> None:
        super().__init__(4, PREPROCESSINGS["caffe-bgr"], Upsample(align_corners=True))
        self.classify = torch.nn.Conv2d(3, 4, 9, 8, padding=4)
        self.spec = {"preprocessing": "caffe-bgr", "class_names": ["a", "b", "c", "d"]}
        self.initialise(torch.Generator().manual_seed(seed))

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        return self.classify(input_N3HW), None, (input_N3HW, input_N3HW)

    def classifiers(self) -> list[torch.nn.Conv2d]:
        return [self.classify]


def network(seed: int) -> SegmentationModel:
    return Tiny(seed).eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Parity]:
    """One export for all tests: torch's exporter takes seconds."""
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    return path, export_onnx(network(1), path, SIZE)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_onnx_runtime_answers_as_torch_at_image_size_for_any_batch(exported: tuple[Path, Parity], batch: int) -> None:
    path, _ = exported
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).integers(0, 256, (batch, 3, *SIZE), dtype=np.uint8)
    (answer,) = session.run(["logits"], {"image": image})
    model = network(1)
    with torch.no_grad():
        expected = at_size(model, model(model.preprocessing(torch.from_numpy(image)))[0], SIZE).numpy()
    assert answer.shape == (batch, 4, *SIZE)
    np.testing.assert_allclose(answer, expected, atol=1e-3 * np.abs(expected).max())


def test_the_check_tells_how_far_apart_they_are(exported: tuple[Path, Parity]) -> None:
    _, parity = exported
    assert 0 <= parity.largest_difference <= 1e-3 * parity.largest_logit
    assert parity.equal_labels > 0.99
    assert parity.runtime == onnxruntime.__version__


def test_the_file_knows_its_classes(exported: tuple[Path, Parity]) -> None:
    session = onnxruntime.InferenceSession(exported[0], providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["class_names"]) == ["a", "b", "c", "d"]
    assert json.loads(metadata["spec"])["preprocessing"] == "caffe-bgr"
    assert session.get_inputs()[0].type == "tensor(uint8)"
    assert session.get_inputs()[0].shape[1:] == [3, *SIZE]


def test_another_network_fails_the_check_and_no_file_is_left(
    exported: tuple[Path, Parity], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compare(FromBytes(network(2)), exported[0], SIZE).largest_difference > 0.01

    def write_the_other(_whole: FromBytes, path: Path, _size: tuple[int, int]) -> None:
        path.write_bytes(exported[0].read_bytes())

    monkeypatch.setattr(exporting, "_write", write_the_other)
    with pytest.raises(OnnxError, match=r"model\.onnx: not written: ONNX Runtime's logits differ"):
        export_onnx(network(2), tmp_path / "model.onnx", SIZE)
    assert not list(tmp_path.iterdir())


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PACKAGES", ("onnx", "onnx_of_another_world"))
    with pytest.raises(OnnxError, match=r"onnx_of_another_world not installed; pip install 'roundabout\[onnx\]'"):
        export_onnx(network(1), tmp_path / "model.onnx", SIZE)


def test_the_images_of_the_check_are_always_the_same() -> None:
    assert torch.equal(random_images(2, (9, 17)), random_images(2, (9, 17)))
    assert random_images(2, (9, 17)).shape == (2, 3, 9, 17)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"architecture": "small", "encoder": "mobilenet-v3-small", "heads": 2},
        {"architecture": "small", "encoder": "efficientnet-lite0"},
        {"architecture": "small", "encoder": "timm/test_resnet"},
        {"architecture": "deeplabv2-resnet101", "heads": 2},
        {"architecture": "fcn8s-vgg16"},
        {"architecture": "resnet38"},
        {"architecture": "daformer", "encoder": "mit-b0"},
        {"architecture": "vit-linear", "encoder": "timm/vit_tiny_patch16_224"},
    ],
    ids=lambda options: options.get("encoder", options["architecture"]),
)
def test_every_architecture_passes_the_check(options: dict[str, Any], tmp_path: Path) -> None:
    model = build_model(classes=5, generator=torch.Generator().manual_seed(1), **options).eval()
    parity = export_onnx(model, tmp_path / "model.onnx", (49, 65))
    assert parity.largest_difference <= 1e-3 * parity.largest_logit
