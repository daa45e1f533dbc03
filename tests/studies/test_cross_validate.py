"""Studies: their trainings, what is made of the answers, and the tables."""

import subprocess
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import ROOT, STUDY_OF_CLIP, set_params, set_seeds_of_clip

from ser import artifacts
from ser.answers.card import card
from ser.answers.opening import open_bundle
from ser.corpus.partitions import published_partition
from ser.emotions import EMOTIONS
from ser.errors import InputError
from ser.params import load
from ser.scoring.fusion import fuse
from ser.scoring.metrics import Scored
from ser.scoring.tables import scores_page
from ser.training.devices import gpus
from studies import cross_validate, processes, tables
from studies.pages import ELSEWHERE, PAGES, elsewhere, fill
from studies.plan import STUDIES, runs_of
from studies.pooling import Answer, average_seeds, fuse_answers, pool_tests
from studies.summary import SCORES, SELECTION_ACTORS, score_pooled, summarise

pytestmark = pytest.mark.network


def metrics(uar: float, *, fold: int = 1, seed: int = 0) -> dict:
    scores = dict.fromkeys(SCORES, uar)
    subsets = {"train": scores, "validation": scores, "test": scores}
    return {"fold": fold, "seed": seed, **subsets, "train_minus_test_accuracy": uar / 2}


def test_a_summary_is_mean_and_spread():
    """Folds differ by 0.2 in the mean over seeds, seeds by 0.1 in the mean over folds."""
    given = {(1, 0): 0.5, (1, 1): 0.6, (2, 0): 0.7, (2, 1): 0.8}
    summary = summarise([metrics(uar, fold=fold, seed=seed) for (fold, seed), uar in given.items()])
    assert summary["mean"]["test"]["uar"] == 0.65
    assert summary["spread_of_folds"]["uar"] == pytest.approx(0.2 / np.sqrt(2), abs=1e-4)
    assert summary["spread_of_seeds"]["uar"] == pytest.approx(0.1 / np.sqrt(2), abs=1e-4)
    assert summary["mean_train_minus_test_accuracy"] == 0.325
    assert summary["largest_train_minus_test_accuracy"] == 0.4


def test_trainings_run_side_by_side_with_a_thread_each(monkeypatch):
    """As many as processors; and a failed one is named when the others are done."""
    commands = {}

    def run(command: list[str], *, env: dict[str, str], **_) -> subprocess.CompletedProcess:
        commands[command[-1]] = env
        return subprocess.CompletedProcess(command, int("fold3" in command[-1]))

    monkeypatch.setattr(cross_validate, "finished", lambda run, params: run.classifier == "baseline")
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("SER_WORKERS", "3")
    jobs = cross_validate.default_jobs()
    assert jobs == (1 if gpus() else 3)
    with pytest.raises(InputError, match=r"2 of 10 trainings failed.*emo-superb-cnn1d-fold3-seed0"):
        cross_validate.train_missing(runs_of("emo-superb"), load(ROOT / "params.yaml"), jobs)
    assert len(commands) == 10
    for environment in commands.values():
        assert processes.ENVIRONMENT.items() <= environment.items()


def test_one_training_has_no_spread():
    assert not {"spread_of_folds", "spread_of_seeds"} & set(summarise([metrics(0.5)]))


def test_plan_tests_every_actor_once():
    tested = [
        actor
        for fold in STUDIES["emo-superb"].folds
        for actor, subset in published_partition("emo-superb", fold).items()
        if subset == "test"
    ]
    assert sorted(tested) == list(range(1001, 1092))
    names = [run.name for study in STUDIES for run in runs_of(study)]
    assert len(set(names)) == len(names)


def answer(classifier: str, fold: int, seed: int, value: float) -> Answer:
    subsets = np.array(["train"] * 4)
    subsets[2 * (fold - 1) : 2 * fold] = "test"
    return Answer(classifier, fold, seed, np.full((4, 6), value, np.float32), subsets)


def test_the_networks_of_a_fold_are_fused_and_seeds_are_means(rng):
    said = {name: rng.dirichlet(np.ones(6), 4) for name in ("cnn1d", "cnn2d")}
    pair = [replace(answer(name, 1, 0, 0.0), probabilities=given) for name, given in said.items()]
    answers = [pair[0], answer("cnn2d", 2, 0, 0.4), pair[1], answer("cnn1d", 2, 0, 0.2), answer("cnn1d", 1, 1, 0.6)]
    fused = [one for one in fuse_answers(answers, {"cnn1d": 3.0}) if (one.fold, one.seed) == (1, 0)]
    assert [one.classifier for one in fused] == ["fusion"]
    np.testing.assert_allclose(fused[0].probabilities, fuse(said, {"cnn1d": 3.0}), rtol=1e-6)
    answers = [answer("cnn1d", 1, 0, 0.2), answer("cnn2d", 1, 0, 0.4), answer("cnn1d", 1, 1, 0.6)]
    (averaged,) = average_seeds(answers)
    assert averaged.classifier == "cnn1d"
    np.testing.assert_allclose(averaged.probabilities, 0.4)


def test_pooled_tests_take_each_clip_from_its_own_fold():
    pooled, tested = pool_tests([answer("cnn1d", 1, 0, 0.2), answer("cnn1d", 2, 0, 0.4)])
    np.testing.assert_allclose(pooled[:, 0], [0.2, 0.2, 0.4, 0.4])
    assert tested.all()
    with pytest.raises(ValueError, match="2 clips are tested in two folds"):
        pool_tests([answer("cnn1d", 1, 0, 0.2), answer("cnn1d", 1, 1, 0.2)])


def pooled_of(ten_actors: list[int], rng: np.random.Generator) -> dict:
    """Four classifiers of which the fusion is right most often, on ten actors."""
    actual = rng.integers(0, 6, 600)
    right = {"cnn1d": 1.0, "cnn2d": 1.0, "baseline": 0.5, "fusion": 2.0}
    logits = {name: rng.standard_normal((600, 6)) + margin * np.eye(6)[actual] for name, margin in right.items()}
    given = {name: np.exp(values) / np.exp(values).sum(axis=1, keepdims=True) for name, values in logits.items()}
    actors = np.repeat(ten_actors, 60)
    votes = np.eye(6, dtype=int)[actual]
    groups = {"sex": np.where(actors % 2, "Male", "Female")}
    settings = SimpleNamespace(bootstrap_samples=200, seed=0)
    return score_pooled(given, Scored(actual, actors, votes, EMOTIONS), groups, settings)


@pytest.fixture
def pooled(rng) -> dict:
    """Half of the actors are of selection."""
    return pooled_of([*SELECTION_ACTORS[:5], *range(1001, 1006)], rng)


@pytest.mark.parametrize("actors", [SELECTION_ACTORS[:10], range(1001, 1011)])
def test_without_selection_actors_is_a_row_of_its_own_only_where_some_are_tested(actors, rng):
    assert pooled_of([*actors], rng)["scores_without_selection_actors"] == {}


def test_pooled_scores_compare_classifiers_over_actors(pooled):
    by_pair = {(row["first"], row["second"]): row for row in pooled["comparisons"]}
    assert by_pair["fusion", "baseline"]["low"] > 0
    assert by_pair["fusion", "baseline"]["p"] < 0.05
    assert by_pair["cnn1d", "cnn2d"]["low"] < 0 < by_pair["cnn1d", "cnn2d"]["high"]
    assert pooled["listeners"]["uar"] == 1
    assert pooled["scores_without_selection_actors"]["fusion"]["actors"] == 5
    worst = pooled["worst_actor"]["fusion"]
    assert worst["clips"] == 60
    assert worst["uar"] <= pooled["scores"]["fusion"]["uar"]
    assert {value: row["clips"] for value, row in pooled["groups"]["sex"].items()}.keys() == {"Female", "Male"}


def test_a_classifier_without_probabilities_has_no_calibration_error(pooled):
    assert "calibration_error" not in pooled["scores"]["baseline"]
    assert "calibration_error" in pooled["scores"]["fusion"]
    rows = [metrics(0.5), metrics(0.6, fold=2)]
    for row in rows:
        row["test"] = row["train"] = row["validation"] = {"accuracy": 0.5, "uar": 0.5, "macro_f1": 0.5}
    assert "calibration_error" not in summarise(rows)["mean"]["test"]


def test_scores_at_a_glance_are_those_of_the_metrics(pooled):
    found = pooled["scores"]
    terms = {"corpus": "data/demo (synthetic)", "protocol": "speaker", "speakers": "no information"}
    rows = {
        name: {"terms": terms, "train_minus_test_accuracy": 0.0}
        | dict.fromkeys(("train", "validation", "test"), found[name])
        for name in ("cnn1d", "fusion")
    }
    lines = scores_page(rows).splitlines()
    assert lines[0] == "data/demo (synthetic), split speaker, speakers: no information"
    assert len({len(line) for line in lines[2:]}) == 1  # columns stand below each other
    assert lines[4].split("|")[4].strip() == f"{found['cnn1d']['uar']:.3f}"


def test_a_block_of_a_page_is_replaced_and_nothing_else():
    page = "before\n<!-- results: a b -->\nold\n<!-- end of results: a b -->\nafter"
    filled = tables.replace_block(page, "results: a b", r"new \1")
    assert filled == "before\n<!-- results: a b -->\n\nnew \\1\n\n<!-- end of results: a b -->\nafter"
    with pytest.raises(InputError, match="no block"):
        tables.replace_block(page, "results: c", "")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_pages_show_what_the_results_and_the_bundle_hold(monkeypatch, page):
    monkeypatch.chdir(ROOT)
    text = page.read_text(encoding="utf-8")
    assert fill(text) == text, "run: make results"
    if "output: ser info" in text:
        assert fill(tables.replace_block(text, "output: ser info", "typed by hand")) == text


def test_the_command_says_what_the_results_hold_of_the_package_s_bundle(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert artifacts.read_json(ELSEWHERE) == elsewhere(), "run: make results"
    about = open_bundle(None).about
    assert elsewhere()["bundle"] == about["hash"], "run: python -m studies.corpora data/ravdess --format ravdess"
    assert "RAVDESS" in card(about)
    assert "RAVDESS" not in card(about | {"hash": "0" * 64})


@pytest.mark.pipeline
def test_a_study_is_trained_once_and_summarised(studied, tmp_path):
    assert "5 runs trained, 0 taken" in studied.printed
    copied = studied.copy_to(tmp_path / "copy")
    set_seeds_of_clip(copied.folder, "(0,)")
    assert "0 runs trained, 3 taken" in copied.run(*STUDY_OF_CLIP).stdout
    study = artifacts.read_json(copied.folder / "results" / "crema-d" / "clip.json")
    assert study["classifiers"]["fusion"]["trainings"][0]["terms"]["protocol"] == "clip, leaks actors"
    mean = study["classifiers"]["cnn1d"]["mean"]["test"]["accuracy"]
    assert mean == study["classifiers"]["cnn1d"]["trainings"][0]["test"]["accuracy"]
    assert study["runs"]["clip-cnn1d-fold1-seed0"]["versions"]["keras"]
    assert tables.protocol_table(study).count("\n") >= 5
    set_params(copied.folder, {"train_cnn1d.dropout": 0.1})  # of no matter to the 2D network
    assert "2 runs trained, 1 taken" in copied.run(*STUDY_OF_CLIP).stdout
