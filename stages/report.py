"""report: one page with the results of all starts and rounds."""

from pathlib import Path

from pipeline.inspection.report import write_report
from pipeline.inspection.results import read_results
from pipeline.labels import class_set
from pipeline.params import read_params
from stages.run import stage


@stage
def main() -> None:
    """Reads runs/, writes report/index.html and report/results.json."""
    params = read_params()
    results = read_results(Path("runs"), params.run_kinds())
    write_report(Path("runs"), results, class_set(params.classes), params.evaluate.headline, Path("report"))
    print("report: report/index.html")


if __name__ == "__main__":
    main()
