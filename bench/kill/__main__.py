"""Kill stages and DVC hundreds of times, and look whether anything that was recorded is lost.

Workspaces with tiny streets and one method each are driven to their end through kills. The seed draws the signal, who
gets it and the instant: a random time, or the n-th write, rename, fsync, close, unlink … of a process, before it or in
its middle. After each kill dvc.lock, the recorded outputs' bytes, orphans and the disk are looked at, and at the end
all files are compared with an undisturbed run's. bench/results/kill.json is written after each kill; --resume adds.
"""

from __future__ import annotations

import argparse
import ctypes
import tempfile
from pathlib import Path

from bench.kill import file_operations


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=10, help="kills of each stage of a workspace")
    parser.add_argument("--resume", action="store_true", help="add to bench/results/kill.json")
    parser.add_argument("--short", action="store_true", help="one round of LSE instead of all methods; writes nothing")
    parser.add_argument("--keep", type=Path, help="work in this folder, and leave it")
    arguments = parser.parse_args()
    operations = file_operations.load_before_everything()
    if not operations:
        print("no gcc: kills at file operations are left out")
    # Orphans become this process's children, so that it sees them.
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER, <linux/prctl.h>
    from pipeline.dvc_view import torn_files

    torn_files.QUIET_SECONDS = 0.05  # nobody writes when all processes are gone
    from bench.kill.process import import_libraries
    from bench.kill.results import Results, run

    import_libraries()
    results = Results(arguments.seed, resume=arguments.resume, write=not arguments.short)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        run(arguments.keep or Path(name), results, arguments.kills, arguments.each, arguments.short, operations)
    raise SystemExit(results.publish())


if __name__ == "__main__":
    main()
