"""report: one page with the results of all starts and rounds."""

from pathlib import Path

from pipeline.files import whole_file
from pipeline.inspection.report import write_report
from pipeline.inspection.results import read_results
from pipeline.inspection.strip import draw_strip
from pipeline.labels import class_set
from pipeline.params import read_params
from stages.run import stage


@stage
def main() -> None:
    """Reads runs/, writes report/index.html, report/results.json and report/rounds-N.png."""
    params = read_params()
    results = read_results(Path("runs"), params.run_kinds())
    headline, destination = params.evaluate.headline, Path("report")
    write_report(Path("runs"), results, class_set(params.classes), headline, destination)
    for place in range(params.evaluate.gallery):
        strip = draw_strip(Path("runs"), results, headline, place)
        if strip is not None:
            with whole_file(destination / f"rounds-{place}.png") as temporary:
                strip.save(temporary, format="PNG")
    print("report: report/index.html")


if __name__ == "__main__":
    main()
