"""The report of one workspace: index.html, which needs no other file, and beside it its data for programs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.common.errors import ReadableError
from pipeline.common.files import whole_file, write_json
from pipeline.common.flat import flat
from pipeline.common.labels import class_set
from pipeline.datasets.opening import images_of
from pipeline.evaluation.results import read_results
from pipeline.params import Params, read_params
from pipeline.report.chains import chains_of
from pipeline.report.environment import describe_environment
from pipeline.report.gallery import PICTURES, draw_gallery, draw_sample, forget_pictures
from pipeline.report.metrics_file import write_metrics
from pipeline.report.page.render import write_page
from pipeline.report.plot_files import write_plot_files
from pipeline.report.record import nearest_preset, record_of
from pipeline.report.rounds_figure import draw_rounds
from pipeline.report.seed_set import ENVIRONMENT, PICTURE_LIST, RESULTS, Bundle, SeedSet


def make_report(params: Params, runs: Path, presets: Path, destination: Path) -> None:
    """Write the report of all runs that have been evaluated: the page, its data, DVC's plots, figures of the rounds."""
    results, classes = read_results(runs, params.run_kinds()), class_set(params.classes)
    record = record_of(params, runs, results, classes)
    record["preset"] = nearest_preset(record["params"], read_presets(presets))
    pictures = draw_pictures(params, runs, [result.name for result in results], destination / PICTURES)
    write_report(record, describe_environment(device=params.runtime.device), pictures, destination)
    write_metrics(record, destination)
    write_plot_files(record, destination / "plots")
    for number in range(params.evaluate.gallery):
        figure = draw_rounds(runs, results, params.evaluate.headline, classes, number)
        if figure is not None:
            with whole_file(destination / f"rounds-{number}.png") as temporary:
                figure.save(temporary, format="PNG")


def draw_pictures(params: Params, runs: Path, names: list[str], destination: Path) -> dict[str, Any]:
    """Write the gallery of each chain and the sample of the named runs anew; return their lists (pictures.json)."""
    forget_pictures(destination)
    kinds = {name: kind for name, kind in params.run_kinds().items() if name in names}
    inits = {name: params.round(name).init for name in names if name in params.rounds}
    images = images_of("evaluation", params.data.size)
    gallery = draw_gallery(
        runs,
        chains_of(kinds, inits),
        lambda image_id: images.image(images.manifest.index_of(image_id)),
        class_set(params.classes),
        destination,
    )
    return {"gallery": gallery, "sample": draw_sample(runs, names, destination)}


def read_presets(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the presets as flat values, without those that cannot be read."""
    presets = {}
    for path in sorted(folder.glob("*.yaml")):
        with suppress(ReadableError):
            presets[path.stem] = flat(read_params(path).model_dump(mode="json", exclude={"runtime"}))
    return presets


def write_report(
    record: dict[str, Any], environment: dict[str, Any], pictures: dict[str, Any], destination: Path
) -> None:
    """Write index.html, results.json, made.json, pictures.json; ``destination``/pictures holds the pictures."""
    for name, value in ((RESULTS, record), (ENVIRONMENT, environment), (PICTURE_LIST, pictures)):
        write_json(destination / name, value)
    write_page(SeedSet([Bundle(record, environment, pictures, destination / PICTURES)]), destination)
