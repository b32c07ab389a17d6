"""report: write one page with the results of all initial models and rounds."""

from pathlib import Path

from pipeline.params import read_params
from pipeline.report.write import make_report
from stages.run import stage


@stage
def main() -> None:
    """Read runs/, data/prepared/ and presets/, write report/."""
    make_report(read_params(), Path("runs"), Path("presets"), Path("report"))
    print("report: report/index.html")


if __name__ == "__main__":
    main()
