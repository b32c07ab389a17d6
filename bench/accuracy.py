"""What adaptation earns: source-only, each round of each method, and the oracle, over several seeds.

    python -m bench.accuracy [--preset streets] [--seeds 1,2,3] [--methods lse,cbst] [--docs]
                             [--set lse.focal_beta=0 --name streets-without-focal] [--add]

Without --methods, the preset's own rounds run. With them, up to three rounds of each method with its paper's schedule
in one `dvc repro`: LSE, CBST and ST from source-only, IntraDA from the start with AdvEnt, CADA from the one with style
alignment, as their papers have it. Each seed runs the whole pipeline in a throw-away workspace. After each seed,
figures go to the terminal and to bench/results/accuracy-NAME.json, with --docs also as a section into docs/results.md.
--add keeps what the JSON file holds of other seeds and methods.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bench.collected import BASE, Collected
from bench.results_page import write_section
from bench.table import RESULTS, machine, publish
from bench.workspace import make_workspace, preset, run, write_params
from pipeline.commands.rounds import block_of
from pipeline.common.files import read_json
from pipeline.methods.registry import paper_rounds
from pipeline.params.changes import with_changes

CONTROL = "source-only, as many steps"
ROUNDS = 3


def params_of(name: str, methods: list[str]) -> dict[str, Any]:
    """Return the preset, with the rounds of these methods instead of its own where there are any."""
    params = preset(name)
    if methods:
        params["rounds"] = {}
        for method in methods:
            paper = paper_rounds()[method][1]
            init = paper.initial_alignment or "source-only"
            if init not in params["initial_models"]:
                params["initial_models"] = {
                    **params["initial_models"],
                    init: {"supervision": "source", "alignment": init},
                }
            params["rounds"] |= block_of(method, min(ROUNDS, paper.rounds), init)
        params["data"]["spatial_prior"] = any(entry.get("spatial_prior") for entry in params["rounds"].values())
        used = {entry["method"] for entry in params["rounds"].values()}
        params |= {method: {"compat": "paper"} for method in sorted(used) if method not in params}
    return params


def changed(params: dict[str, Any], settings: list[str]) -> dict[str, Any]:
    """Return the params with each `section.key=value` set; values are YAML."""
    for setting in settings:
        path, _, value = setting.partition("=")
        section = params
        *steps, last = path.split(".")
        for step in steps:
            section = section[step]
        section[last] = YAML(typ="safe").load(value)
    return params


def results_of(params: dict[str, Any]) -> dict[str, Any]:
    """Run the pipeline once and return report/results.json, with a control where the params have none of their own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "main"
        make_workspace(folder, params)
        run(folder, "dvc", "repro")
        answer: dict[str, Any] = read_json(folder / "report" / "results.json")
        if not any(row["control"] for row in answer["runs"]):
            answer["runs"].append({"name": CONTROL, "pseudo_labels": {}, **_longer_source_only(folder, params)})
        return answer


def _longer_source_only(folder: Path, params: dict[str, Any]) -> dict[str, Any]:
    """Train source-only for as many steps as the last round has seen, and return what more training alone earns.

    It keeps its name, with which its images are drawn: another one would be another draw.
    """
    longer = with_steps(params["initial_models"][BASE], control_steps(params))
    write_params(folder, params | {"initial_models": params["initial_models"] | {BASE: longer}})
    run(folder, "dvc", "repro", "evaluate-initial@source-only")
    metrics: dict[str, Any] = read_json(folder / "runs" / "source-only" / "metrics.json")
    table = read_json(folder / "runs" / "source-only" / "per_class.json")
    return {**metrics, "IoU": {name: row["IoU"] for name, row in table.items()}}


def control_steps(params: dict[str, Any]) -> int:
    """Return the steps of the initial model and of the longest chain, of three rounds at least (--add keeps it)."""
    as_the_section_says = ROUNDS * params["adapt"]["steps"]
    longest = max([as_the_section_says, *(chain_steps(params, name) for name in params["rounds"])])
    return initial_steps(params, BASE) + longest


def initial_steps(params: dict[str, Any], name: str) -> int:
    """Return the steps of an initial model."""
    initial = params["initial_models"][name]
    steps: int = with_changes(params["pretrain"], initial.get("pretrain", {}))["steps"]
    return steps


def with_steps(initial: dict[str, Any], steps: int) -> dict[str, Any]:
    """Return an initial model that trains for so many steps, and otherwise like this one."""
    return initial | {"pretrain": with_changes(initial.get("pretrain", {}), {"steps": steps})}


def chain_steps(params: dict[str, Any], name: str) -> int:
    """Return the steps of all rounds from an initial model to the end of this round."""
    if name not in params["rounds"]:
        return 0
    entry = params["rounds"][name]
    steps: int = with_changes(params["adapt"], entry.get("adapt", {}))["steps"]
    return steps + chain_steps(params, entry["init"])


def main() -> None:
    """Run all seeds and publish."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--preset", default="streets")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--methods", default="", help=f"of {', '.join(paper_rounds())}; default: the preset's rounds")
    parser.add_argument("--set", action="append", default=[], help="section.key=value, changed in the params")
    parser.add_argument("--name", help="of the section and the JSON file; default: the preset's")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/results.md")
    parser.add_argument("--add", action="store_true", help="keep the seeds and methods that were measured before")
    arguments = parser.parse_args()
    name = arguments.name or arguments.preset
    methods = [method for method in arguments.methods.split(",") if method]
    params = changed(params_of(arguments.preset, methods), arguments.set)
    collected = before(name) if arguments.add else Collected()
    seeds, earlier = arguments.seeds.split(","), collected.commands
    for done, seed in enumerate(seeds, start=1):
        begun = time.perf_counter()
        collected.add(seed, results_of(params | {"seed": int(seed)}))
        collected.minutes += (time.perf_counter() - begun) / 60
        collected.commands = [*earlier, command_of(arguments, seeds[:done])]
        shown = ", ".join(
            f"{run} {100 * by_seed[seed].value:.2f}" for run, by_seed in collected.answers.items() if seed in by_seed
        )
        print(f"seed {seed}: {shown}", flush=True)
        publish_collected(name, collected, docs=arguments.docs)


def before(name: str) -> Collected:
    """Return what bench/results/accuracy-NAME.json holds; nothing without such a file."""
    path = RESULTS / f"accuracy-{name}.json"
    return Collected.read(read_json(path)["collected"]) if path.exists() else Collected()


def publish_collected(name: str, collected: Collected, *, docs: bool) -> None:
    """Write the table on the terminal, the JSON with every seed's answers, and the section of docs/results.md."""
    note = f"{machine()}; seeds {','.join(collected.seeds)}; {collected.minutes:.0f} minutes in all"
    last_rounds = last_rounds_of(collected)
    publish(f"accuracy-{name}", collected.rows(last_rounds), note, collected=collected.as_json())
    if docs:
        commands = ", then ".join(f"`{command}`" for command in collected.commands)
        write_section(name, collected, last_rounds, f"{commands}; {note}")


def last_rounds_of(collected: Collected) -> list[str]:
    """Return the last round of each chain: of ``lse-1`` to ``lse-3`` the last."""
    return list({chain[1]: run for run in collected.runs if (chain := re.fullmatch(r"(.+)-\d+", run))}.values())


def command_of(arguments: argparse.Namespace, seeds: list[str]) -> str:
    """Return the command that makes the section again, with the seeds that it really holds."""
    command = f"python -m bench.accuracy --preset {arguments.preset} --seeds {','.join(seeds)}"
    command += f" --methods {arguments.methods}" if arguments.methods else ""
    command += "".join(f" --set {setting}" for setting in arguments.set)
    command += f" --name {arguments.name}" if arguments.name else ""
    return command + (" --add" if arguments.add else "") + " --docs"


if __name__ == "__main__":
    main()
