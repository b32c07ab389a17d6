"""The command line of a stage's own process, or of the processes that share its work."""

from __future__ import annotations

import shlex
import sys

from pipeline.errors import ReadableError
from pipeline.scheduling.site import ALONE, Resources, StageName


def stage_command(stage: StageName, arguments: list[str], resources: Resources) -> list[str]:
    """``python -m stages.STAGE …``; under torchrun where several processes share the work, all on this machine."""
    python = resources.python or ("python" if resources.container else sys.executable)
    container = shlex.split(resources.container or "")
    processes = 1 if stage in ALONE else resources.workers
    if processes == 1:
        return [*container, python, "-m", f"stages.{stage}", *arguments]
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    # behind the dashes nothing is torchrun's: it would take --start for its own --start-method
    return [*container, python, *torchrun, "-m", "--", f"stages.{stage}", *arguments]


def cannot_start(command: list[str], error: OSError) -> ReadableError:
    """What to say where the program that site.yaml names is not one."""
    return ReadableError(
        f"site.yaml: cannot start {command[0]!r} ({error.strerror}); `python` and `container` must be programs of the "
        "machine that runs the stage"
    )


def shell_lines(resources: Resources) -> list[str]:
    """What a shell does before the command: variables, then the site's own lines. The first that fails ends it."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables(resources).items()]
    return ["set -e", *exports, *resources.setup]


def variables(resources: Resources) -> dict[str, str]:
    """The stage's environment variables, the site's own last.

    torchrun kills its processes 30 s after it was asked to stop, unless told otherwise: here they have their grace.
    """
    patience = {"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(max(30, resources.grace - 10))} if resources.workers > 1 else {}
    return {**patience, **resources.environment}
