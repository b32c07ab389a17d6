"""``roundabout export``: a network for other programs, as ONNX or safetensors; what a run sees, as COCO files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.coco_files import write_coco_files
from pipeline.commands.console import console, readable
from pipeline.commands.overwriting import Force, keep_what_is_there
from pipeline.commands.run_files import is_of_a_run, model_file, run_name
from pipeline.commands.sizes import require_positive
from pipeline.common.errors import ReadableError, counted

PARAMS = Path("params.yaml")


@readable
def export(
    model: Annotated[str, typer.Argument(help="a run (lse-3), a model file, or a checkpoint of others")],
    onnx: Annotated[Path | None, typer.Option(help="the .onnx file to write")] = None,
    safetensors: Annotated[Path | None, typer.Option(help="the .safetensors file to write")] = None,
    coco: Annotated[
        Path | None, typer.Option(help="a folder for the run's predictions and pseudo-labels as COCO files")
    ] = None,
    size: Annotated[
        tuple[int, int] | None, typer.Option(help="height width of the ONNX input; default for runs: data.size")
    ] = None,
    force: Force = False,
) -> None:
    """Write a network as ONNX (RGB bytes in, logits at image size out, compared with torch) or as safetensors.

    Of a run also its predictions and pseudo-labels as COCO files, which FiftyOne loads.
    """
    if onnx is None and safetensors is None and coco is None:
        raise ReadableError("say what to write: --onnx FILE, --safetensors FILE, --coco FOLDER, or several of them")
    if coco is not None:
        for line in write_coco_files(run_name(model), coco, force):
            console.print(line, highlight=False, soft_wrap=True)
    if onnx is not None or safetensors is not None:
        _export_network(model, onnx, safetensors, size, force)


def _export_network(
    model: str, onnx: Path | None, safetensors: Path | None, size: tuple[int, int] | None, force: bool
) -> None:
    from pipeline.checkpoints.import_export import open_model, save_safetensors

    keep_what_is_there([out for out in (onnx, safetensors) if out is not None], force)
    require_positive(size)
    path = model_file(model)
    if onnx is not None and size is None:
        size = _size_of_runs(path)
    network = open_model(path)
    if safetensors is not None:
        save_safetensors(network, safetensors)
        console.print(f"{safetensors}: {counted(len(network.state_dict()), 'tensor')}", highlight=False, soft_wrap=True)
    if onnx is not None and size is not None:
        _write_onnx(network, onnx, size)


def _write_onnx(network: object, out: Path, size: tuple[int, int]) -> None:
    from pipeline.models.base import SegmentationModel
    from pipeline.models.onnx import export_onnx

    assert isinstance(network, SegmentationModel)
    with console.status(f"{out}: is being written and compared with torch"):
        parity = export_onnx(network, out, size)
    console.print(
        f"{out}: uint8 RGB (N, 3, {size[0]}, {size[1]}) to logits (N, {network.classes}, {size[0]}, {size[1]})\n"
        f"ONNX Runtime {parity.runtime} against torch: largest difference {parity.largest_difference:.2g} where the "
        f"largest logit is {parity.largest_logit:.3g}; {100 * parity.equal_labels:.3f} % of the pixels agree in class",
        highlight=False,
        soft_wrap=True,
    )


def _size_of_runs(path: Path) -> tuple[int, int]:
    from pipeline.params import read_params

    if is_of_a_run(path) and PARAMS.is_file():
        return read_params(PARAMS).data.size
    raise ReadableError("--size: say the height and width of the images that the ONNX network is for, as in 512 1024")
