"""Cross-validation: train what is missing of every study, and write what each found.

``python -m studies.cross_validate`` writes ``results/crema-d/STUDY.json`` from the runs in ``data/runs``.
It reads the features that the pipeline wrote, and ``params.yaml``; ``make cross-validate`` brings them
up to date. Each processor trains one network at a time; a GPU one, or ``--jobs`` of them. With
``SER_DASK_SCHEDULER`` the workers of a Dask cluster train, one network at a time each.
"""

import argparse

import numpy as np

from ser import artifacts
from ser.errors import InputError
from ser.parallel import workers
from ser.params import Params, load
from ser.scoring.fusion import fuse
from ser.scoring.metrics import Scored, classifier_metrics, groups_of
from ser.scoring.scores import BASELINE
from ser.training.data import Clips
from ser.training.devices import gpus
from stages.shared.clips import read_clips
from stages.shared.console import run as run_stage
from studies.plan import NETWORKS, STUDIES, Run, runs_of
from studies.pooling import Answer, average_seeds, fuse_answers, pool_tests
from studies.processes import run_each
from studies.runs import PROFILES, RUNS, describe, finished, subsets_of, train_run
from studies.summary import score_pooled, summarise

GROUPS = ("sex", "age_band", "race")


def default_jobs() -> int:
    """One training a processor (``SER_WORKERS`` sets another number), or one where there is a GPU."""
    return 1 if gpus() else workers()


def train_missing(runs: list[Run], params: Params, jobs: int) -> int:
    """Train the unfinished runs, ``jobs`` at a time, each in a process of its own."""
    missing = [run.name for run in runs if not finished(run, params)]
    failed = run_each({name: ["-m", "studies.cross_validate", "--train", name] for name in missing}, jobs=jobs)
    if failed:
        raise InputError(f"{len(failed)} of {len(missing)} trainings failed, see above: {', '.join(failed)}")
    return len(missing)


def read_answers(runs: list[Run], params: Params) -> list[Answer]:
    """What the runs said of every clip."""
    return [
        Answer(
            run.classifier,
            run.fold,
            run.seed,
            artifacts.read_arrays(RUNS / f"{run.name}.npz")["probabilities"][0],
            np.array(subsets_of(run, params)),
        )
        for run in runs
    ]


def summary_of(study: str, params: Params) -> dict:
    """What a study found, and what it was run with."""
    clips, runs = read_clips(), runs_of(study)
    settings = {run.fold: run.settings(params) for run in runs}
    answers = read_answers(runs, params)
    answers += fuse_answers(answers, params.evaluate.fusion_weights)

    def summaries(found: list[Answer]) -> dict:
        rows: dict[str, list[dict]] = {}
        for answer in found:
            metrics = classifier_metrics(
                answer.probabilities,
                scored_of(clips),
                answer.subsets,
                settings[answer.fold],
                hard_decisions=answer.classifier == BASELINE,
            )
            rows.setdefault(answer.classifier, []).append({"fold": answer.fold, "seed": answer.seed} | metrics)
        return {name: summarise(trainings) for name, trainings in rows.items()}

    return {
        "params": settings[1].model_dump(),
        "classifiers": summaries(answers),
        "seeds_averaged": summaries(average_seeds(answers)),
        "pooled": pooled_scores([answer for answer in answers if answer.seed == 0], clips, params),
        "profiles": profile_scores([run for run in runs if run.seed == 0], clips, params),
        "runs": {run.name: describe(run) for run in runs},
    }


def pooled_scores(answers: list[Answer], clips: Clips, params: Params) -> dict:
    """Scores on every fold's test clips together."""
    pooled = {}
    for name in dict.fromkeys(answer.classifier for answer in answers):
        pooled[name], tested = pool_tests([answer for answer in answers if answer.classifier == name])
    groups = groups_of(artifacts.read_parquet("data/clips.parquet"))
    return score_pooled(
        {name: given[tested] for name, given in pooled.items()},
        scored_of(clips)[tested],
        {group: groups[group][tested] for group in GROUPS},
        params.evaluate,
    )


def scored_of(clips: Clips) -> Scored:
    """What of the clips classifiers are scored on."""
    return Scored(clips.labels, clips.actors, clips.votes, clips.emotions)


def profile_scores(runs: list[Run], clips: Clips, params: Params) -> dict:
    """Scores over all folds when a speaker is known from some clips, which are then not scored."""
    stored = [
        (run.classifier, artifacts.read_arrays(RUNS / f"{run.name}.npz")) for run in runs if run.classifier in NETWORKS
    ]
    found: dict[str, dict] = {}
    for profile in PROFILES:
        parts = {name: [kept[profile] for other, kept in stored if other == name] for name in NETWORKS}
        rows = np.concatenate([rows for rows, _ in parts[NETWORKS[0]]])
        if len(rows) == 0:  # no speaker has so many clips
            continue
        given = {name: np.concatenate([answers for _, answers in kept]) for name, kept in parts.items()}
        given["fusion"] = fuse(given, params.evaluate.fusion_weights)
        asked = scored_of(clips)[rows]
        found[profile] = {name: asked.score(answers, params.evaluate) for name, answers in given.items()}
    return found


def cross_validate() -> str:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--jobs",
        type=int,
        choices=range(1, 65),
        metavar="N",
        help="trainings at once; by default one a processor (each wants 1.6 GB), one on a GPU",
    )
    parser.add_argument("--study", action="append", choices=STUDIES, help="only this study; may be repeated")
    planned = {run.name: run for study in STUDIES for run in runs_of(study)}
    parser.add_argument("--train", metavar="RUN", choices=planned, help="train only this run, and write no summary")
    options, params = parser.parse_args(), load()
    if options.train:
        train_run(planned[options.train], params)
        return f"{options.train} trained"
    studies = options.study or list(STUDIES)
    runs = [run for study in studies for run in runs_of(study)]
    trained = train_missing(runs, params, options.jobs or default_jobs())
    for study in studies:
        artifacts.write_json(f"results/crema-d/{study}.json", summary_of(study, params))
    return f"{trained} runs trained, {len(runs) - trained} taken from {RUNS}"


if __name__ == "__main__":
    run_stage(cross_validate)
