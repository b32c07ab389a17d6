"""What all stages share: how they are called, and how they say what is wrong."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from pipeline.errors import ReadableError


def stage(work: Callable[[], None]) -> Callable[[], None]:
    """A stage without a name of its own."""

    def main() -> None:
        argparse.ArgumentParser(description=sys.modules[work.__module__].__doc__).parse_args()
        _say_errors(work)

    return main


def named_stage(kind: str) -> Callable[[Callable[[str], None]], Callable[[], None]]:
    """A stage of one start or one round: ``python -m stages.NAME --KIND NAME``."""

    def decorate(work: Callable[[str], None]) -> Callable[[], None]:
        def main() -> None:
            parser = argparse.ArgumentParser(description=sys.modules[work.__module__].__doc__)
            parser.add_argument(f"--{kind}", required=True, help=f"name of the {kind} in params.yaml")
            name = getattr(parser.parse_args(), kind)
            _say_errors(lambda: work(name))

        return main

    return decorate


def _say_errors(work: Callable[[], None]) -> None:
    try:
        work()
    except KeyboardInterrupt:
        print("stopped; the next run goes on from the last checkpoint or part", file=sys.stderr)
        sys.exit(130)
    except ReadableError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
