"""The frame around a training: the folder in which it is resumed, and how its result gets to runs/NAME.

A finished run leaves its network and ``curves/`` (one TSV per curve). Nothing here changes what is trained.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.common.device import Device, select_device
from pipeline.common.files import file_hash
from pipeline.common.labels import ClassSet, own_palette
from pipeline.common.work import publish
from pipeline.models.base import SegmentationModel
from pipeline.models.state import save_model
from pipeline.tracking.follow import following
from pipeline.tracking.tracker import require_installed
from pipeline.training.distributed import common_folder, process_group, rank
from pipeline.training.progress import CURVES, received_by
from pipeline.training.run import RunSettings

if TYPE_CHECKING:
    from pipeline.params import Runtime


@contextmanager
def training_folder(stage: str, run: RunSettings, runtime: Runtime, **inputs: Any) -> Iterator[tuple[Path, Device]]:
    """Yield the working folder of a run and the device to train on.

    The folder of a killed run is entered again if the settings, the device and ``inputs`` are the same.
    """
    computer = select_device(runtime.device, runtime.precision)
    inputs |= {
        "run": run.identity(),
        "weights_file": _hash_of(run.model.weights),
        "encoder_file": _hash_of(run.model.pretrained),
        "computer": (computer.device.type, computer.bfloat16),
    }
    require_installed(runtime.log_to)
    log_to = runtime.log_to if int(os.environ.get("RANK", "0")) == 0 else "none"
    with (
        process_group(computer),
        common_folder(stage, **inputs) as folder,
        following(log_to, run.name, folder.name) as receiver,
        received_by(receiver),
    ):
        yield folder, computer


def _hash_of(weights: str | bool | None) -> str | None:
    return file_hash(Path(weights)) if isinstance(weights, str) and Path(weights).is_file() else None


def finish(model: SegmentationModel, classes: ClassSet, folder: Path, destination: Path, name: str) -> None:
    """Save the model as ``name``; move it and the curves to the run's folder. Of several processes, the first does."""
    if rank() > 0:
        return
    save_model(model, folder / name, spec={"class_names": list(classes.names)} | own_palette(classes))
    (folder / "live" / CURVES).mkdir(parents=True, exist_ok=True)  # a model that is not trained has no curves
    # A copy: killed between the two moves, the next run still finds the curves in the working folder.
    shutil.copytree(folder / "live" / CURVES, folder / "curves", dirs_exist_ok=True)
    publish(folder / "curves", destination / "curves")
    publish(folder / name, destination / name)
