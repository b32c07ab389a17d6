"""``roundabout predict``: a network over any images, as PNGs, COCO masks or LabelMe polygons."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.class_names import names_of
from pipeline.commands.console import console, failed, readable
from pipeline.commands.run_files import is_of_a_run, model_file
from pipeline.commands.sizes import require_positive, size_in
from pipeline.common.errors import ReadableError, counted
from pipeline.common.files import file_hash
from pipeline.common.labels import classes_of_model
from pipeline.common.tiling import Tiling, tiling_of

if TYPE_CHECKING:
    from pipeline.params import Params
    from pipeline.prediction.pictures import Pictures
    from pipeline.prediction.predict import Outcome

PARAMS = Path("params.yaml")
SPLITS = ("source", "target", "target-labelled", "evaluation")
SHOWN = 50


class FormatName(StrEnum):
    """What is written."""

    label_ids = "label-ids"
    train_ids = "train-ids"
    colour = "colour"
    overlay = "overlay"
    coco = "coco"
    labelme = "labelme"


class Bits(StrEnum):
    """How finely measures are written."""

    eight = "8"
    sixteen = "16"


Images = Annotated[
    str,
    typer.Argument(help="an image, a folder of images or frames, a list (.txt), or a prepared split (evaluation …)"),
]
Format = Annotated[
    FormatName,
    typer.Option(
        "--format",
        help="label-ids: Cityscapes' ids, for its test server; colour: a palette PNG; coco: PNGs of classes and one "
        "annotations.json; labelme: a JSON with polygons for each image",
    ),
]
Size = Annotated[
    tuple[int, int] | None,
    typer.Option(
        help="height width that the network sees; default: a prepared split's size, data.size for runs, else each "
        "image's own; without tiles"
    ),
]
Tile = Annotated[
    str | None,
    typer.Option(
        help="HxW: see each image at its own size, in tiles of this size, blended; for large images; default: the "
        "tiles of a prepared split, data.target's for runs"
    ),
]
Overlap = Annotated[
    int | None, typer.Option(help="pixels over which neighbouring tiles are blended; default: 64, or an eighth")
]
Confidence = Annotated[
    bool, typer.Option("--confidence", help="write the largest probability, too: grey PNGs in OUT/confidence")
]
Entropy = Annotated[bool, typer.Option("--entropy", help="write the entropy over ln C, too: grey PNGs in OUT/entropy")]


@readable
def predict(
    model: Annotated[str, typer.Argument(help="a run (lse-3), a model file, or a checkpoint of others")],
    images: Images,
    out: Annotated[Path, typer.Option(help="a new folder; a run that was stopped goes on in its own")],
    format_: Format = FormatName.label_ids,
    size: Size = None,
    tile: Tile = None,
    overlap: Overlap = None,
    flip: Annotated[bool, typer.Option("--flip", help="see each image mirrored too")] = False,
    scales: Annotated[str, typer.Option(help="sizes at which each image is seen, such as 0.75,1,1.25")] = "1",
    confidence: Confidence = False,
    entropy: Entropy = False,
    bits: Annotated[Bits, typer.Option(help="of the confidence and entropy PNGs")] = Bits.eight,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16")] = "auto",
    workers: Annotated[int, typer.Option(min=1, help="threads that decode and encode")] = 2,
) -> None:
    """Predict any images at their own sizes, one file each, under their names."""
    tiling = _tiling(tile, overlap, size)
    from pipeline.checkpoints.import_export import open_model
    from pipeline.common.device import select_device
    from pipeline.prediction.coco import ANNOTATIONS
    from pipeline.prediction.measures import Measures
    from pipeline.prediction.predict import Views
    from pipeline.prediction.predict import predict as predict_all

    require_positive(size)
    path = model_file(model)
    params = _params_for(path, images)
    pictures = _pictures(images, params, out)
    if size is None and tiling is None and params is not None:
        size, tiling = _as_in_training(images, params)
    views = Views(size, _scales(scales), flip)
    network = open_model(path)
    computer = select_device(device, precision)
    computer.place(network)
    names = tuple(network.spec.get("class_names") or names_of(None, network.classes, "the model has"))
    _say(path, names, size, tiling, pictures)
    if pictures.left_out:
        listed = ", ".join(f"{count} × {what}" for what, count in sorted(pictures.left_out.items()))
        console.print(f"{images}: passed over {listed}", highlight=False, soft_wrap=True)
    measures = {"confidence": confidence, "entropy": entropy}
    outcome = predict_all(
        network,
        classes_of_model(names, network.spec.get("palette")),
        pictures,
        out,
        format_.value,
        views,
        computer,
        origin=file_hash(path),
        workers=workers,
        tiling=tiling,
        measures=Measures(tuple(name for name, wanted in measures.items() if wanted), int(bits.value)),
    )
    if format_ is FormatName.coco:
        console.print(f"{out / ANNOTATIONS}: file names below {pictures.folder}", highlight=False, soft_wrap=True)
    _report(outcome, out, len(pictures))


def _seen(size: tuple[int, int] | None, tiling: Tiling | None) -> str:
    of_size = "" if size is None else f"{size[0]}x{size[1]}"
    if tiling is None:
        return of_size or "each image's own size"
    return f"tiles of {tiling.in_words()}" + (of_size and f", each as {of_size}")


def _say(
    path: Path, names: tuple[str, ...], size: tuple[int, int] | None, tiling: Tiling | None, pictures: Pictures
) -> None:
    """Print which network sees what, and at which size."""
    images = counted(len(pictures), "image")
    console.print(
        f"{path}: {len(names)} classes, sees {_seen(size, tiling)}; {images}", highlight=False, soft_wrap=True
    )


def _report(outcome: Outcome, out: Path, count: int) -> None:
    """Print how many predictions there are; fail with a line for each image that has none."""
    already = f", {outcome.there_already} already there" if outcome.there_already else ""
    console.print(f"{out}: {counted(outcome.written, 'prediction')}{already}", highlight=False, soft_wrap=True)
    if outcome.problems:
        listed = "\n".join(f"  - {problem}" for problem in outcome.problems[:SHOWN])
        more = f"\n  and {len(outcome.problems) - SHOWN} more" if len(outcome.problems) > SHOWN else ""
        raise failed(f"{len(outcome.problems)} of {counted(count, 'image')} without a prediction:\n{listed}{more}")


def _tiling(tile: str | None, overlap: int | None, size: tuple[int, int] | None) -> Tiling | None:
    if tile is None:
        if overlap is not None:
            raise ReadableError("--overlap: is of tiles; say --tile, too")
        return None
    if size is not None:
        raise ReadableError("--tile: tiles are cut from each image at its own size; leave --size out")
    tiling = tiling_of(size_in("--tile", tile), overlap)
    tiling.require_sound()
    return tiling


def _params_for(path: Path, images: str) -> Params | None:
    """Return the params of this folder, if they matter: for a run's model, or a prepared split."""
    from pipeline.params import read_params

    if (is_of_a_run(path) or not Path(images).exists()) and PARAMS.is_file():
        return read_params(PARAMS)
    return None


def _pictures(images: str, params: Params | None, out: Path) -> Pictures:
    from pipeline.datasets.manifest import manifest_path
    from pipeline.datasets.opening import prepared_split
    from pipeline.prediction.pictures import SplitPictures, file_pictures, folder_pictures

    if Path(images).is_dir():
        return folder_pictures(Path(images), out)
    if Path(images).is_file():
        return file_pictures(Path(images))
    if images not in SPLITS:
        raise ReadableError(
            f"{images}: is neither an image, a folder or a list nor a prepared split ({', '.join(SPLITS)})"
        )
    if params is None:
        raise ReadableError(f"{images}: is a prepared split, and there is no {PARAMS} here that describes it")
    split = prepared_split(images)
    return SplitPictures(manifest_path(images), split.crop, split.reading)


def _as_in_training(images: str, params: Params) -> tuple[tuple[int, int] | None, Tiling | None]:
    """Return the size and the tiles at which training and evaluation see the images; other images, as the target."""
    from pipeline.datasets.opening import prepared_split

    is_split = not Path(images).exists()
    split = prepared_split(images) if is_split else None
    tiling = params.data.target.tiling if split is None else split.tiling
    size = (split and split.size) or params.data.size
    return (None, tiling) if tiling is not None and size == tiling.tile else (size, tiling)


def _scales(text: str) -> tuple[float, ...]:
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ReadableError(f"--scales: is {text!r}; numbers with commas between them are needed") from None
    if not all(0.1 <= scale <= 4 for scale in scales) or len(set(scales)) < len(scales):
        raise ReadableError(f"--scales: is {text!r}; different numbers from 0.1 to 4 are needed")
    return scales
