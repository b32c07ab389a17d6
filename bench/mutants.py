"""Which small changes of the code no test notices: mutation testing with mutmut, on a copy of the checkout.

    make mutants [MUTANTS="pipeline/training/losses.py"]
    python -m bench.mutants [FILES] [--processes 2] [--resume | --again]

FILES are those of TESTS, or patterns below them; without any, all are tested. Every mutant runs with the tests of its
room that call its function, in a process of its own with a time limit. A figure for each module and every mutant that
lived go to the terminal and to bench/results/mutants.json, where they replace those of the same modules; the figures of
modules that were not tested stay. --resume goes on with a run that was stopped; --again tests the mutants (of FILES)
that lived once more, with the tests as they are now. mutmut mutates what is inside functions without a decorator:
compiled kernels (`njit`), properties and constants are not mutated.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.table import RESULTS, machine
from bench.workspace import ROOT
from pipeline.common.files import write_json

COPY = ROOT / "bench" / "scratch" / "mutants"
TESTS = {
    "pipeline/methods/*": (
        "tests/methods",
        "tests/patches",
        "tests/commands/test_cache_commands.py",
        "tests/commands/test_split_list_command.py",
        "tests/test_params.py",
    ),
    "pipeline/evaluation/run.py": ("tests/evaluation/test_run.py",),  # seconds each, too slow for the others' mutants
    "pipeline/evaluation/*": tuple(
        f"tests/evaluation/test_{name}.py"
        for name in ("confusion", "evaluate", "folds", "images", "over_seeds", "pseudo_labels", "results")
    ),
    "pipeline/training/losses.py": ("tests/training/test_losses.py", "tests/methods/test_lse_golden.py"),
    "pipeline/training/optimisation.py": ("tests/training/test_optimisation.py",),
}
"""What is mutated, and the tests that should notice."""
STATUS = {
    None: "untested", 0: "survived", 1: "killed", 3: "killed", 5: "no tests", 33: "no tests", 36: "timeout",
    -24: "timeout",
}  # fmt: skip
"""mutmut's exit codes; others (a crash) are "other"."""
ENDED = ("killed", "timeout")
QUICK_PYTEST = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_ADDOPTS": "-p pytest_timeout -p no:unraisableexception -p no:threadexception",
}
"""Without other packages' plugins, nor pytest's own that collect garbage five times over all that torch imported: a
mutant then costs 0.1 s of a processor, not 0.5 s."""
COLUMNS = ("killed", "survived", "timeout", "no tests", "other")


def copy_checkout(folder: str = ".") -> None:
    """Copy the files below ``folder`` that git knows or would know into the copy, where mutmut may write."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, COPY / name)
    with (COPY / "tests" / "conftest.py").open("a", encoding="utf-8") as file:
        # imported once, before processes fork: an optimiser needs it for seconds; and no garbage, so that none looks
        file.write("\nimport gc\nimport torch._dynamo\n\ngc.freeze()\n")


def configure(patterns: list[str]) -> None:
    """Append mutmut's settings to the copy's pyproject.toml."""
    tests = sorted({test for pattern in patterns for test in tests_of(pattern)})
    settings = {
        "source_paths": ["pipeline"],
        "only_mutate": patterns,
        "also_copy": ["bench", "stages", "presets", "docs", "data/classes", "data/lists", "dvc.yaml"],
        "pytest_add_cli_args": ["-m", "not slow and not cluster and not browser and not gpu", "-p", "no:cacheprovider"],
        "pytest_add_cli_args_test_selection": tests,
        "process_isolation": "forkserver",  # torch's threads do not survive a fork
        "timeout_constant": 4.0,  # so 60 seconds more than the tests take: a busy machine is no endless loop
    }
    plain = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    (COPY / "pyproject.toml").write_text("\n".join([plain, "[tool.mutmut]", *lines, ""]), encoding="utf-8")


def tests_of(pattern: str) -> tuple[str, ...]:
    """Return the tests for a file or pattern. Raises SystemExit for one outside of TESTS."""
    for known, tests in TESTS.items():
        if fnmatch(pattern, known):
            return tests
    raise SystemExit(f"{pattern}: no tests are known for it; choose from {', '.join(TESTS)}")


def mutmut(*arguments: str, quiet: bool = True) -> str:
    """Run mutmut in the copy and return what it prints; on the terminal instead if not ``quiet``."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"} | QUICK_PYTEST
    program = str(Path(sys.executable).parent / "mutmut")
    answer = subprocess.run(
        [program, *arguments],
        cwd=COPY,
        env=environment,
        stdout=subprocess.PIPE if quiet else None,
        text=True,
        check=True,
    )
    return answer.stdout or ""


def statuses() -> Iterator[tuple[str, str, str]]:
    """Yield file, mutant and status of every mutant."""
    mutated = COPY / "mutants"
    for meta in sorted(mutated.rglob("*.py.meta")):
        file = str(meta.relative_to(mutated)).removesuffix(".meta")
        for mutant, code in json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"].items():
            yield file, mutant, STATUS.get(code, "other")


def survivor(file: str, mutant: str, status: str) -> dict[str, Any]:
    """Return where a mutant that lived is, and its diff."""
    diff = mutmut("show", mutant).split("+++", 1)[-1].split("\n", 1)[-1]
    return {"file": file, "line": line_of(file, mutant, diff), "mutant": mutant, "status": status, "diff": diff}


def line_of(file: str, mutant: str, diff: str) -> int:
    """Return the line in the file; the diff counts from the first line of the function."""
    name = re.sub(r"__mutmut_\d+$", "", mutant.rsplit(".", 1)[-1])
    *classes, function = name.removeprefix("x_").removeprefix("x").strip("ǁ").split("ǁ")
    tree: ast.AST = ast.parse((COPY / file).read_text(encoding="utf-8"))
    for part in (*classes, function):
        tree = next(
            node
            for node in ast.iter_child_nodes(tree)
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == part
        )
    hunk, *lines = diff.splitlines()
    start = int(re.findall(r"-(\d+)", hunk)[0])
    before = next((number for number, line in enumerate(lines) if line.startswith(("-", "+"))), 0)
    return int(getattr(tree, "lineno", 1)) + start - 1 + before


def results(note: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a row for each module whose mutants have all been tested, and the mutants of these that lived."""
    counts: dict[str, Counter[str]] = {}
    lived = []
    for file, mutant, status in statuses():
        counts.setdefault(file, Counter())[status] += 1
        if status not in ENDED:
            lived.append((file, mutant, status))
    complete = {file: count for file, count in counts.items() if not count["untested"]}
    rows = [
        {"module": file, **{column: count[column] for column in COLUMNS}, "note": note}
        for file, count in complete.items()
    ]
    return rows, [survivor(*each) for each in lived if each[0] in complete]


def merged(path: Path, rows: list[dict[str, Any]], survivors: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the results file holds after a run: the run's modules anew, and others as they were if they exist."""
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"modules": [], "survivors": []}
    replaced = {row["module"] for row in rows}
    rows = rows + [
        row for row in before["modules"] if row["module"] not in replaced and (ROOT / row["module"]).exists()
    ]
    modules = {row["module"] for row in rows}
    survivors = survivors + [each for each in before["survivors"] if each["file"] in modules - replaced]
    return {
        "modules": sorted(rows, key=lambda row: row["module"]),
        "survivors": sorted(survivors, key=lambda each: (each["file"], each["line"], each["mutant"])),
    }


def show(rows: list[dict[str, Any]], survivors: list[dict[str, Any]], note: str) -> None:
    """Print a run's table and the mutants that lived."""
    console = Console(width=120)
    table = Table("module", *COLUMNS, "noticed", title="bench.mutants")
    everything = {"module": "all", **{column: sum(row[column] for row in rows) for column in COLUMNS}}
    for row in (*rows, everything):
        share = sum(row[status] for status in ENDED) / max(1, sum(row[column] for column in COLUMNS))
        table.add_row(row["module"], *(str(row[column]) for column in COLUMNS), f"{share:.1%}")
    for lived in survivors:
        console.print(
            f"{lived['file']}:{lived['line']} {lived['status']}\n{lived['diff']}", markup=False, highlight=False
        )
    console.print(table)
    console.print(note, highlight=False)


def names_to_test(options: argparse.Namespace) -> list[str]:
    """Prepare the copy, and return the mutants to test; none means all that have not been tested."""
    if options.again:
        copy_checkout("tests")
        lived = [(file, mutant) for file, mutant, status in statuses() if status not in (*ENDED, "untested")]
        return [mutant for file, mutant in lived if any(fnmatch(file, each) for each in options.files or ["*"])]
    if not options.resume:
        shutil.rmtree(COPY, ignore_errors=True)
        copy_checkout()
        configure(options.files or list(TESTS))
    return []


def main() -> None:
    """Mutate, test and show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", nargs="*", metavar="FILES", help=f"of {', '.join(TESTS)}; default: all")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    parser.add_argument("--again", action="store_true", help="test those that lived again, with the tests as they are")
    options = parser.parse_args()
    begun = time.perf_counter()
    names = names_to_test(options)
    if names or not options.again:
        mutmut("run", "--max-children", str(options.processes), *names, quiet=False)
    minutes = (time.perf_counter() - begun) / 60
    rows, survivors = results(machine())
    show(rows, survivors, f"{machine()}; {options.processes} processes; {minutes:.0f} minutes")
    RESULTS.mkdir(exist_ok=True)
    write_json(RESULTS / "mutants.json", merged(RESULTS / "mutants.json", rows, survivors))


if __name__ == "__main__":
    main()
