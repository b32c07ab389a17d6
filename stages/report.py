"""report: one page with the results of all starts and rounds."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.common.errors import ReadableError
from pipeline.common.files import whole_file
from pipeline.common.labels import class_set
from pipeline.datasets.opening import images_of
from pipeline.evaluation.results import read_results
from pipeline.params import read_params
from pipeline.report.chains import chains_of
from pipeline.report.environment import circumstances
from pipeline.report.gallery import PICTURES, draw_gallery, draw_sample, forget_pictures
from pipeline.report.plot_files import write_plot_files
from pipeline.report.record import flat, nearest_preset, record_of
from pipeline.report.rounds_figure import draw_rounds
from pipeline.report.write import write_report
from stages.run import stage

RUNS, REPORT = Path("runs"), Path("report")


@stage
def main() -> None:
    """Reads runs/, data/prepared/ and presets/, writes report/."""
    params = read_params()
    results, classes = read_results(RUNS, params.run_kinds()), class_set(params.classes)
    record = record_of(params, RUNS, results, classes)
    record["preset"] = nearest_preset(record["params"], _presets(Path("presets")))
    kinds = {result.name: result.kind for result in results}
    inits = {name: params.round(name).init for name in kinds if name in params.rounds}
    forget_pictures(REPORT / PICTURES)
    images = images_of("evaluation", params.data.evaluation, params.data.size)
    gallery = draw_gallery(
        RUNS,
        chains_of(kinds, inits),
        lambda image_id: images.image(images.manifest.index_of(image_id)),
        classes,
        REPORT / PICTURES,
    )
    pictures = {"gallery": gallery, "sample": draw_sample(RUNS, list(kinds), REPORT / PICTURES)}
    write_report(record, circumstances(), pictures, REPORT)
    write_plot_files(record, REPORT / "plots")
    for place in range(params.evaluate.gallery):
        strip = draw_rounds(RUNS, results, params.evaluate.headline, classes, place)
        if strip is not None:
            with whole_file(REPORT / f"rounds-{place}.png") as temporary:
                strip.save(temporary, format="PNG")
    print("report: report/index.html")


def _presets(folder: Path) -> dict[str, dict[str, Any]]:
    """All presets that can be read, flat: a broken one is no reason to have no report."""
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        with suppress(ReadableError):
            found[path.stem] = flat(read_params(path).model_dump(mode="json", exclude={"runtime"}))
    return found


if __name__ == "__main__":
    main()
