"""CycleGAN as a translation: training it, and its outputs: translated images, generators, curves, a gallery."""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from pipeline.common.device import Device, select_device
from pipeline.common.errors import ReadableError
from pipeline.common.files import file_hash, whole_file, write_json
from pipeline.common.work import publish, working_folder
from pipeline.datasets.bands import AS_THEY_ARE
from pipeline.datasets.loading import SplitImages
from pipeline.datasets.manifest import manifest_path
from pipeline.datasets.opening import prepared_split, write_split
from pipeline.models.cyclegan import discriminator, generator
from pipeline.models.state import load_model
from pipeline.training.augmentation import Augment
from pipeline.training.batches import Sample, SampleAt, Stream
from pipeline.training.cyclegan.objective import CycleGanObjective, Discriminators, Generators, Weights
from pipeline.training.cyclegan.pool import ImagePool
from pipeline.training.cyclegan.semantics import Semantics
from pipeline.training.cyclegan.write import picture_path, write_images, write_manifest
from pipeline.training.image_samples import unlabelled_samples
from pipeline.training.loop import Adversary, train
from pipeline.training.optimisation import make_optimiser
from pipeline.training.progress import CURVES
from pipeline.training.run import augment_of, plan_of, steps_of
from pipeline.translation.gallery import GalleryRow, write_gallery
from pipeline.translation.style import SETTINGS

if TYPE_CHECKING:
    from pipeline.params import CycleganTranslation, Runtime


class Domains(NamedTuple):
    """The images between which a translation goes."""

    source: SplitImages
    target: SplitImages


def run_cyclegan(
    name: str,
    settings: CycleganTranslation,
    domains: Domains,
    seed: int,
    runtime: Runtime,
    inputs: dict[str, Any],
    destination: Path,
) -> None:
    """Train the generators, translate every source image, and move the results to their places.

    ``inputs`` names what the domains, the settings and the seed are, for the name of the working folder.

    Raises:
        ReadableError: ``settings.segmentation`` names a file that is not there.
    """
    computer = select_device(runtime.device, runtime.precision)
    inputs = {
        **inputs,
        "segmentation": None if settings.segmentation is None else _hash_of(name, settings.segmentation),
        "computer": (computer.device.type, computer.bfloat16),
    }
    with working_folder(f"translate-{name}", **inputs) as folder:
        generators = _trained(name, settings, domains, seed, runtime, computer, folder)
        prepared, translated = manifest_path(name).parent, folder / "translated"
        write_images(generators.to_target, domains.source, translated / "images", computer, runtime.workers)
        write_manifest(domains.source, translated / "images", prepared / "images", translated / "manifest.jsonl")
        # the images are cut, sized and in three bands already
        write_split(translated, prepared_split("source")._replace(crop=None, reading=AS_THEY_ARE, tiling=None))
        write_json(translated / SETTINGS, {"method": settings.method})
        _write_run(generators, domains, translated / "images", folder / "run", seed)
        shutil.copytree(folder / "live" / CURVES, folder / "run" / "curves", dirs_exist_ok=True)
        publish(folder / "run", destination)
        publish(translated, prepared)  # last: killed between the two, the next run still finds the images here


def _trained(
    name: str,
    settings: CycleganTranslation,
    domains: Domains,
    seed: int,
    runtime: Runtime,
    computer: Device,
    folder: Path,
) -> Generators:
    generators, discriminators = new_players(settings, seed)
    objective = CycleGanObjective(discriminators, _weights_of(settings), _semantics(settings, computer))
    computer.place(generators)
    computer.place(discriminators)
    optimiser, other = (
        make_optimiser({"weights": list(module.parameters())}, settings.optimiser)
        for module in (generators, discriminators)
    )
    # Not compiled: the loop compiles a network's forward, and this objective calls two networks
    plan = plan_of(settings, steps_of(settings, len(domains.source)), runtime, compiled=False)
    augment = augment_of(settings)
    streams = [
        Stream(domain, windows(images, augment, settings.crop), len(images), settings.batch, seed, name)
        for domain, images in domains._asdict().items()
    ]
    train(
        generators, objective.generator_terms, streams, optimiser, plan, computer, folder, name=name, seed=seed,
        adversary=Adversary(discriminators, objective.discriminator_terms, other, settings.schedule),
    )  # fmt: skip
    return generators


def _weights_of(settings: CycleganTranslation) -> Weights:
    return Weights(
        settings.lambda_cycle,
        settings.lambda_identity * settings.lambda_cycle,
        settings.lambda_semantic,
        settings.lambda_semantic_cycle,
    )


def new_players(settings: CycleganTranslation, seed: int) -> tuple[Generators, Discriminators]:
    """Return fresh generators and discriminators, with empty pools."""
    random = torch.Generator().manual_seed(zlib.crc32(f"{seed}/cyclegan".encode()))
    generators = Generators(*(generator(settings.width, settings.blocks, random) for _ in range(2)))
    of_target, of_source = (discriminator(settings.width, random) for _ in range(2))
    target_pool, source_pool = (ImagePool(settings.pool, settings.crop) for _ in range(2))
    return generators, Discriminators(of_target, of_source, target_pool, source_pool)


def windows(images: SplitImages, augment: Augment, crop: tuple[int, int]) -> SampleAt:
    """Return samples that are random windows of images changed at random."""
    whole = unlabelled_samples(images, augment)

    def sample_at(index: int, generator: np.random.Generator) -> Sample:
        identity, image_HW3, label_HW = whole(index, generator)
        top, left = (int(generator.integers(side - cut + 1)) for side, cut in zip(label_HW.shape, crop, strict=True))
        rows, columns = slice(top, top + crop[0]), slice(left, left + crop[1])
        return identity, image_HW3[rows, columns], label_HW[rows, columns]

    return sample_at


def _semantics(settings: CycleganTranslation, computer: Device) -> Semantics | None:
    if settings.segmentation is None:
        return None
    model = load_model(settings.segmentation, "cpu")
    computer.place(model)
    return Semantics(model)


def _hash_of(name: str, path: str) -> str:
    if not Path(path).is_file():
        raise ReadableError(f"translations.{name}.segmentation: {path}: the file is missing; name a model file")
    return file_hash(Path(path))


def _write_run(generators: Generators, domains: Domains, translated: Path, folder: Path, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / "generators.pt") as temporary, temporary.open("wb") as file:
        torch.save({key: value.cpu() for key, value in generators.state_dict().items()}, file)
    source, target = domains

    def row_at(position: int) -> GalleryRow:
        picture = Image.open(picture_path(translated, source.id(position)))
        drawn = np.random.default_rng([seed, position]).integers(len(target))
        return GalleryRow(source.image(position), np.asarray(picture), target.image(int(drawn)))

    write_gallery(row_at, len(source), folder / "gallery")
