"""How all stages are called, and how they report errors."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.common.errors import ReadableError
from pipeline.common.system_errors import explained
from stages import BEGUN


def stage(work: Callable[[], None]) -> Callable[[], None]:
    """Wrap a stage that runs once: ``python -m stages.NAME``."""

    def main() -> None:
        argparse.ArgumentParser(description=sys.modules[work.__module__].__doc__).parse_args()
        _run(Path(inspect.getfile(work)).stem, "", work)

    return main


def named_stage(kind: str) -> Callable[[Callable[[str], None]], Callable[[], None]]:
    """Wrap a stage of one initial model, round or translation: ``python -m stages.NAME --KIND NAME``."""

    def decorate(work: Callable[[str], None]) -> Callable[[], None]:
        def main() -> None:
            parser = argparse.ArgumentParser(description=sys.modules[work.__module__].__doc__)
            help_ = f"name of the {kind.replace('-', ' ')} in params.yaml"
            parser.add_argument(f"--{kind}", dest="name", required=True, help=help_)
            name = parser.parse_args().name
            _run(Path(inspect.getfile(work)).stem, name, lambda: work(name))

        return main

    return decorate


def params_file() -> Path:
    """Return the path of params.yaml, or in a cluster's job of the copy that was taken when the job was submitted."""
    return Path(os.environ.get("ROUNDABOUT_PARAMS", "params.yaml"))


def _run(stage: str, name: str, work: Callable[[], None]) -> None:
    """Run a stage and log how long it took; of several processes the first one logs it.

    A stage that publishes its result has been checked for edits just before; the others are checked when they end.
    """
    # Imported here, so that a stage's parser answers at once
    from pipeline.common.work import before_publishing
    from pipeline.dvc_view.edit_guard import EditGuard
    from pipeline.timing.log import recorded

    guard = EditGuard()
    before_publishing(guard.check)

    def recorded_work() -> None:
        with recorded(stage, name, BEGUN):
            work()
            if not guard.checked:
                guard.check()

    print_errors(recorded_work if os.environ.get("RANK", "0") == "0" else work)


def print_errors(work: Callable[[], None]) -> None:
    """Run ``work``; print errors that are written for people without a traceback, and exit with code 1."""
    try:
        work()
    except KeyboardInterrupt:
        print("stopped; the next run goes on from the last checkpoint or part", file=sys.stderr)
        sys.exit(130)
    except ReadableError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        message = explained(error)  # a full disk, no locks, no permission
        if message is None:
            raise
        print(f"error: {message}", file=sys.stderr)
        sys.exit(1)
