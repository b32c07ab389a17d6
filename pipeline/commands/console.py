"""What all commands share: where they print, and how they fail."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import typer
from rich.console import Console

from pipeline.common.errors import ReadableError
from pipeline.common.system_errors import explained
from pipeline.common.user import require_name

# Into a file or a pipe, tables are as wide as they need to be, unless COLUMNS says how wide. No markup: names of files
# and keys of foreign checkpoints may hold brackets, and are printed as they are.
_has_width = sys.stdout.isatty() or "COLUMNS" in os.environ
console = Console(markup=False) if _has_width else Console(width=160, markup=False)
errors = Console(stderr=True, markup=False)

Arguments = ParamSpec("Arguments")


def failed(message: str) -> typer.Exit:
    """Print what is wrong and return the exit to raise."""
    errors.print(message, style="red", highlight=False, soft_wrap=True)
    return typer.Exit(1)


def readable(command: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Wrap a command, so that errors written for people are printed without a traceback."""

    @wraps(command)
    def wrapped(*arguments: Arguments.args, **options: Arguments.kwargs) -> None:
        require_name()
        try:
            command(*arguments, **options)
        except ReadableError as error:
            raise failed(str(error)) from None
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            message = explained(error) or (str(error) if isinstance(error, OSError) else None)  # they name their file
            if message is None:
                raise
            raise failed(message) from None

    return wrapped
