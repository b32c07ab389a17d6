"""What all stages share: how they are called, and how they say what is wrong."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.common.errors import ReadableError
from stages import BEGUN

# They move their result into place when it is whole, and look then whether it may go there; the others, when they end.
PUBLISHING = ("translate", "pretrain", "dump", "adapt", "evaluate")


def stage(work: Callable[[], None]) -> Callable[[], None]:
    """A stage without a name of its own."""

    def main() -> None:
        argparse.ArgumentParser(description=sys.modules[work.__module__].__doc__).parse_args()
        _run(Path(inspect.getfile(work)).stem, "", work)

    return main


def named_stage(kind: str) -> Callable[[Callable[[str], None]], Callable[[], None]]:
    """A stage of one start or one round: ``python -m stages.NAME --KIND NAME``."""

    def decorate(work: Callable[[str], None]) -> Callable[[], None]:
        def main() -> None:
            parser = argparse.ArgumentParser(description=sys.modules[work.__module__].__doc__)
            parser.add_argument(f"--{kind}", required=True, help=f"name of the {kind} in params.yaml")
            name = getattr(parser.parse_args(), kind)
            _run(Path(inspect.getfile(work)).stem, name, lambda: work(name))

        return main

    return decorate


def params_file() -> Path:
    """params.yaml, or in a cluster's job the copy that was made when the job was submitted."""
    return Path(os.environ.get("ROUNDABOUT_PARAMS", "params.yaml"))


def _run(stage: str, name: str, work: Callable[[], None]) -> None:
    """Runs a stage and notes how long it took; of processes that share its work, the first one notes it."""
    # Imported here: no output depends on them, so an edit of the log's or the look's code runs no stage again.
    from pipeline.common.work import before_publishing
    from pipeline.dvc_view.edit_guard import Watch
    from pipeline.timing.log import recorded

    watch = Watch()
    before_publishing(watch.look)

    def watched() -> None:
        work()
        if stage not in PUBLISHING:
            watch.look()

    def timed() -> None:
        with recorded(stage, name, BEGUN):
            watched()

    say_errors(timed if os.environ.get("RANK", "0") == "0" else watched)


def say_errors(work: Callable[[], None]) -> None:
    """Runs ``work``; what is wrong is said in words where somebody wrote them, and the exit code is 1."""
    try:
        work()
    except KeyboardInterrupt:
        print("stopped; the next run goes on from the last checkpoint or part", file=sys.stderr)
        sys.exit(130)
    except ReadableError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
