"""What each part of a teacher's round adds: one part after another, from the plain source to a second round.

    python -m bench.ablation [--seeds 1,2,3] [--docs]

On CARLA → CamVid, with the settings of the preset `carla-camvid`. All rows of a seed run in one throw-away workspace,
so that rows with the same initial model share its training. A run keeps its name in every row: images are drawn with
the name, and another one would be another draw. What bench/results/ablation.json holds is not measured again.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from bench.results_page import write_lines
from bench.table import RESULTS, Row, machine, publish
from bench.workspace import make_workspace, preset, run, write_params
from pipeline.common.files import read_json
from pipeline.evaluation.over_seeds import percent, percent_of, spread
from pipeline.health.record import HEALTH
from pipeline.params.changes import with_changes

PRESET = "carla-camvid"
INITIAL, FIRST, SECOND = "source-only", "teacher-1", "teacher-2"


class Part(NamedTuple):
    """A row of the table: what it changes in the preset, and the run that is scored."""

    words: str
    scored: str
    changes: dict[str, Any]
    compared_with: str | None
    """The row to which the gain is taken; None for the first."""


class Answer(NamedTuple):
    """What a row of one seed gave."""

    value: float
    """The headline metric, a share."""
    verdict: str = ""
    """Of a round."""
    criteria: dict[str, float | None] = {}  # noqa: RUF012 - never changed
    """What the verdict follows from, by criterion."""


PLAIN = "plain source, no photometric changes"
STRONG = "strong photometric changes (the preset's initial model)"
MIX = "teacher with quotas and ClassMix (the preset's round)"
WITHOUT_CHANGES = {"augmentation": {"photometric": "none"}}
RECOLOURED = {
    "translations": {"recoloured": {"method": "colour"}},
    "initial_models": {INITIAL: {"supervision": "recoloured"}},
}
AGAIN = {"method": "teacher", "init": FIRST, "portion": 0.60}
PARTS = (
    Part(PLAIN, INITIAL, {"pretrain": WITHOUT_CHANGES}, None),
    Part(STRONG, INITIAL, {}, PLAIN),
    Part("strong, in the target's colours", INITIAL, RECOLOURED, STRONG),
    Part("strong, averaged weights", INITIAL, {"pretrain": {"ema": "auto"}}, STRONG),
    Part("teacher with quotas, without mix", FIRST, {"teacher": {"mix": "none"}}, STRONG),
    Part(MIX, FIRST, {}, STRONG),
    Part("one threshold for all classes, weight by share (DACS)", FIRST, {"teacher": {"thresholds": "share"}}, STRONG),
    Part("… and two zoomed patches of each image", FIRST, {"teacher": {"patches": 2}}, MIX),
    Part("… or masked blocks", FIRST, {"rounds": {FIRST: {"mask": {}}}}, MIX),
    Part("… or a second round", SECOND, {"rounds": {SECOND: AGAIN}}, MIX),
)


def measured(folder: Path, part: Part, seed: int) -> Answer:
    """Train what the row needs; return the headline metric, and of a round its verdict without labels."""
    write_params(folder, with_changes(preset(PRESET), part.changes) | {"seed": seed})
    stage = "evaluate-initial" if part.scored == INITIAL else "evaluate"
    run(folder, "dvc", "repro", f"{stage}@{part.scored}")
    result = folder / "runs" / part.scored
    value = read_json(result / "metrics.json")[preset(PRESET)["evaluate"]["headline"]]
    if part.scored == INITIAL:
        return Answer(value)
    health = read_json(result / HEALTH)
    return Answer(value, health["verdict"], {name: of_it["value"] for name, of_it in health["criteria"].items()})


Answers = dict[str, dict[str, Answer]]
"""By row and seed."""


def _read(raw: dict[str, dict[str, dict[str, Any]]]) -> Answers:
    return {row: {seed: Answer(**answer) for seed, answer in of_seed.items()} for row, of_seed in raw.items()}


def measure(seeds: list[str], *, docs: bool) -> None:
    """Measure each row of each seed that is not known yet; publish after each."""
    path = RESULTS / "ablation.json"
    answers = _read(read_json(path)["answers"]) if path.exists() else {}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "main"
            make_workspace(folder, preset(PRESET))
            for part in PARTS:
                of_seed = answers.setdefault(part.words, {})
                if seed not in of_seed:
                    begun = time.perf_counter()
                    of_seed[seed] = measured(folder, part, int(seed))
                    report_line(part, seed, of_seed[seed], (time.perf_counter() - begun) / 60)
                publish_answers(answers, docs=docs)


def report_line(part: Part, seed: str, answer: Answer, minutes: float) -> None:
    """Print what a row gave."""
    print(f"seed {seed}: {part.words}: {percent(answer.value)} {answer.verdict} ({minutes:.1f} min)", flush=True)


def publish_answers(answers: Answers, *, docs: bool) -> None:
    """Write the terminal's table, the JSON file, and with ``docs`` the section of docs/results.md."""
    done = [part for part in PARTS if answers.get(part.words)]
    rows = [Row(part.words, 100 * statistics.mean(values(answers[part.words])), "%", None, None) for part in done]
    seeds = sorted({seed for of_seed in answers.values() for seed in of_seed}, key=int)
    plain = {row: {seed: answer._asdict() for seed, answer in of_seed.items()} for row, of_seed in answers.items()}
    publish("ablation", rows, f"{machine()}; seeds {','.join(seeds)}", answers=plain)
    if docs:
        how = f"`python -m bench.ablation --seeds {','.join(seeds)} --docs`; {machine()}; seeds {','.join(seeds)}."
        write_lines("ablation", [how, "", *table(answers, done, seeds)])


def table(answers: Answers, done: list[Part], seeds: list[str]) -> list[str]:
    """Return the Markdown table: large-5 of each seed, and the gain over the row that a part is added to."""
    lines = ["| part | " + " | ".join(f"seed {seed}" for seed in seeds) + " | mean | gain, seed by seed |"]
    lines.append("|---" * (len(seeds) + 3) + "|")
    for part in done:
        of_seed = answers[part.words]
        cells = [percent(of_seed[seed].value) if seed in of_seed else "–" for seed in seeds]
        lines.append(
            f"| {part.words} | {' | '.join(cells)} | {percent_of(spread(values(of_seed)))} | {gains(answers, part)} |"
        )
    return lines


def values(of_seed: dict[str, Answer]) -> list[float]:
    """Return the headline metric of each seed."""
    return [answer.value for answer in of_seed.values()]


def gains(answers: Answers, part: Part) -> str:
    """Return the gains in points, with the row to which they are taken, and whether the seeds disagree in sign."""
    if part.compared_with is None:
        return "–"
    before, after = answers[part.compared_with], answers[part.words]
    points = [100 * (after[seed].value - before[seed].value) for seed in sorted(after, key=int) if seed in before]
    disagree = ", seeds disagree" if min(points) < 0 < max(points) else ""
    return ", ".join(f"{gain:+.1f}" for gain in points) + disagree


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/results.md")
    arguments = parser.parse_args()
    measure(arguments.seeds.split(","), docs=arguments.docs)


if __name__ == "__main__":
    main()
