"""A program that prints what `dvc status --json` prints, also while a stage runs.

DVC's own command locks all that stages read and write. A running stage holds the locks of its outputs, and
`dvc status` fails. Of such a stage this program reports what it sees: its old result is missing, or changes.

Run as a file, in the workspace (dvc_view/graph.py); it imports nothing of this project, whose code may be edited.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo


def main() -> None:
    """Print the reasons of all changed stages of the current directory as JSON."""
    try:
        with Repo() as repo:
            reasons = {stage.addressing: reasons_of(stage) for stage in repo.index.stages}
    except DvcException as error:
        sys.exit(str(error))
    print(json.dumps({address: why for address, why in reasons.items() if why}))


def reasons_of(stage: Any) -> list[Any]:
    """Return why `dvc repro` would run a stage, in DVC's words; empty if it would not."""
    try:
        changed = {"changed deps": [] if stage.frozen else stage.deps, "changed outs": stage.outs}
        reasons: list[Any] = [{what: named} for what, items in changed.items() if (named := _named(items))]
    except FileNotFoundError as error:  # listed, and deleted before it was read
        reasons = [{"changed outs": {str(error.filename): "being written"}}]
    if stage.is_callback or stage.always_changed:
        reasons.append("always changed")
    if stage.changed_stage():
        reasons.append("changed command")
    return reasons


def _named(items: list[Any]) -> dict[str, Any]:
    return {name: how for item in items for name, how in item.status().items()}


if __name__ == "__main__":
    main()
