"""A network as ONNX: from RGB bytes to class logits at the image's size, checked against torch before it is saved."""

# N batch, C class, H/W pixels of the image

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.common.errors import ReadableError
from pipeline.common.files import whole_file
from pipeline.models.base import SegmentationModel, at_size

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
INPUT, OUTPUT = "image", "logits"
OPSET = 20
TOLERANCE = 1e-3
"""Largest difference of a logit, as a share of the largest logit: float32 summed in another order, layer upon layer."""
CHECKED_BATCHES = (1, 3)
SEED = 0


class Parity(NamedTuple):
    """How far ONNX Runtime's logits are from torch's, over the batches that were tried."""

    largest_difference: float
    largest_logit: float
    equal_labels: float
    """share of the pixels whose largest logit is of the same class"""
    runtime: str


class OnnxError(ReadableError, RuntimeError):
    """A network cannot be exported, or the exported one gives other logits."""


class FromBytes(nn.Module):
    """The exported module: preprocessing, network and up-sampling in one."""

    def __init__(self, model: SegmentationModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, image_N3HW: Tensor) -> Tensor:
        """Return logits (N, C, H, W) of RGB uint8 images (N, 3, H, W)."""
        size = (int(image_N3HW.shape[2]), int(image_N3HW.shape[3]))
        logits_NChw, _ = self.model(self.model.preprocessing(image_N3HW))
        return at_size(self.model, logits_NChw, size)


def export_onnx(model: SegmentationModel, out: Path, size: tuple[int, int]) -> Parity:
    """Write a network for images of one size and any batch, after comparing its logits with torch's.

    The input `image` is uint8 RGB (N, 3, H, W), the output `logits` float32 (N, C, H, W): preprocessing and up-sampling
    are inside, because users get them wrong outside. Class names and the spec are in the file's metadata.

    Args:
        model: on the CPU, in evaluation mode.
        out: the file; written only if the check passes.
        size: H, W.

    Raises:
        OnnxError: packages are missing, the export fails, or the logits differ by more than `TOLERANCE`.
    """
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        raise OnnxError(f"{', '.join(missing)} not installed; pip install 'roundabout[onnx]'")
    whole = FromBytes(model).eval()
    with whole_file(out) as temporary:
        _write(whole, temporary, size)
        parity = compare(whole, temporary, size)
        if not parity.largest_difference <= TOLERANCE * parity.largest_logit:
            raise OnnxError(
                f"{out}: not written: ONNX Runtime's logits differ from torch's by up to "
                f"{parity.largest_difference:.3g} where the largest is {parity.largest_logit:.3g}; "
                f"at most {TOLERANCE:g} of it is allowed"
            )
    return parity


def _write(whole: FromBytes, path: Path, size: tuple[int, int]) -> None:
    import onnx

    example_N3HW = random_images(2, size)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch's exporter deprecates parts of itself
            program = torch.onnx.export(
                whole,
                (example_N3HW,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes={"image_N3HW": {0: torch.export.Dim("batch", min=1)}},
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # torch's exporter raises errors of many kinds
        raise OnnxError(f"{type(whole.model).__name__} cannot be exported to ONNX: {error}") from error
    assert program is not None
    proto = program.model_proto
    spec = whole.model.spec
    props = {"spec": json.dumps(spec), "class_names": json.dumps(spec.get("class_names"))}
    onnx.helper.set_model_props(proto, props)
    onnx.save(proto, path)
    onnx.checker.check_model(path)


def compare(whole: FromBytes, path: Path, size: tuple[int, int]) -> Parity:
    """Compare torch and ONNX Runtime (CPU) on the same random images in batches of several sizes."""
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    differences, logits, equal = [], [], []
    for batch in CHECKED_BATCHES:
        image_N3HW = random_images(batch, size)
        with torch.no_grad():
            expected_NCHW = whole(image_N3HW).numpy()
        (logits_NCHW,) = session.run([OUTPUT], {INPUT: image_N3HW.numpy()})
        if logits_NCHW.shape != expected_NCHW.shape:
            raise OnnxError(f"ONNX Runtime's logits are {logits_NCHW.shape}, torch's {expected_NCHW.shape}")
        # NaN stays NaN here, and fails the check.
        differences.append(float(np.abs(logits_NCHW - expected_NCHW).max()))
        logits.append(float(np.abs(expected_NCHW).max()))
        equal.append(float((logits_NCHW.argmax(axis=1) == expected_NCHW.argmax(axis=1)).mean()))
    return Parity(float(np.max(differences)), max(logits), min(equal), onnxruntime.__version__)


def random_images(batch: int, size: tuple[int, int]) -> Tensor:
    """Return RGB bytes (batch, 3, H, W), always the same; blocks of one colour give surfaces and edges."""
    generator = torch.Generator().manual_seed(SEED)
    small_N3hw = torch.randint(0, 256, (batch, 3, -(-size[0] // 8), -(-size[1] // 8)), generator=generator)
    image_N3HW = small_N3hw.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)
    return image_N3HW[..., : size[0], : size[1]].to(torch.uint8).contiguous()
