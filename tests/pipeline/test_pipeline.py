"""The pipeline under real DVC, as users run it."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from helpers import REAL_CORPORA, Project, ran_stages, set_params
from test_dvc_yaml import STAGES, written_by

from ser import artifacts
from ser.emotions import EMOTIONS

pytestmark = pytest.mark.pipeline


def metrics_of(project: Project, name: str) -> dict:
    return json.loads((project.folder / "metrics" / f"{name}.json").read_text())


def test_a_first_run_runs_every_stage(finished):
    assert sorted(finished.ran) == sorted(STAGES)
    for stage in STAGES.values():
        for out in written_by(stage):
            assert (finished.folder / out).exists(), out


def test_metrics_have_every_score_of_every_subset(finished):
    for name in ("cnn1d", "cnn2d", "fusion", "baseline"):
        metrics = metrics_of(finished, name)
        for subset in ("train", "validation", "test"):
            scores = metrics[subset]
            assert {"accuracy", "uar", "macro_f1", "uar_low", "uar_high", "recall"} <= set(scores)
            assert set(scores["recall"]) == set(EMOTIONS)
            assert 0 <= scores["uar_low"] <= scores["uar"] <= scores["uar_high"] <= 1
        assert metrics["terms"] == {
            "corpus": "data/demo (synthetic)",
            "protocol": "speaker",
            "speakers": "no information",
        }
        assert metrics["test"]["listeners"]["clips"] == metrics["test"]["clips"]
        difference = metrics["train"]["accuracy"] - metrics["test"]["accuracy"]
        assert metrics["train_minus_test_accuracy"] == pytest.approx(difference, abs=1e-4)


def test_a_second_run_runs_nothing(finished):
    start = time.perf_counter()
    assert finished.repro() == []
    assert time.perf_counter() - start < 10


def test_another_clean_run_with_other_workers_writes_the_same_bytes(finished, project):
    project.repro(SER_WORKERS="1")
    assert (project.folder / "dvc.lock").read_text() == (finished.folder / "dvc.lock").read_text()


def test_another_protocol_recomputes_no_feature_and_says_that_it_leaks(copied):
    """Which stages rerun is in ``RERUNS``; here the index keeps its bytes, and scores of the same networks say it."""
    index = [copied.folder / "data" / name for name in ("clips.parquet", "rejected.csv")]
    before = [artifacts.hash_file(path) for path in index]
    set_params(copied.folder, {"split.protocol": "clip"})
    assert copied.repro("split") == ["split"]
    assert [artifacts.hash_file(path) for path in index] == before
    for stage in ("evaluate", "summary"):
        done = copied.stage(stage)
        assert done.returncode == 0, done.stderr
    assert metrics_of(copied, "cnn2d")["terms"]["protocol"] == "clip, leaks actors"
    shown = copied.run("dvc", "metrics", "diff", "--all", "--md").stdout  # all: a figure may have stayed
    assert "uar.fusion" in shown
    assert "clip, leaks actors" in shown
    assert len(shown.splitlines()) < 20


def test_metrics_and_plots_are_shown(finished, tmp_path):
    assert "uar.fusion" in finished.run("dvc", "metrics", "show").stdout
    finished.run("dvc", "plots", "show", "-o", str(tmp_path / "plots"))
    page = (tmp_path / "plots" / "index.html").read_text()
    assert "validation_uar" in page
    assert "Confusion of the 2D network" in page
    assert "anger.png" in page
    finished.run("dvc", "plots", "diff", "HEAD", "-o", str(tmp_path / "diff"))
    assert (tmp_path / "diff" / "index.html").exists()


def test_experiments_run_at_once_and_from_a_queue(copied):
    copied.run("dvc", "exp", "run", "-S", "evaluate.seed=5")
    copied.run("dvc", "exp", "run", "--queue", "-S", "evaluate.seed=6,7")
    copied.run("dvc", "exp", "run", "--run-all")
    shown = json.loads(copied.run("dvc", "exp", "show", "--json").stdout)
    baseline = next(row for row in shown if row["rev"] != "workspace")
    seeds = {
        revision["data"]["params"]["params.yaml"]["data"]["evaluate"]["seed"]
        for experiment in baseline["experiments"]
        for revision in experiment["revs"]
    }
    assert seeds == {5, 6, 7}


def wait_until(found, seconds: float = 60.0) -> None:
    """Poll until ``found()`` is true."""
    limit = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < limit, "what the test waits for did not appear"
        time.sleep(0.01)


# A file that a stage has written or begun when it is in its middle; scripts that write at their end
# alone are killed a moment after their start.
MIDDLE = {
    "demo_corpus": "data/demo/AudioWAV/1001_*",
    "preprocess": "data/signals.npy.partial",
    "augment": "data/augmented.npy.partial",
    "features_1d": "data/features_1d.npy.partial",
    "spectrograms": "data/spectrograms.npy.partial",
    "train_cnn1d": "models/.cnn1d.npz",
    "train_cnn2d": "models/.cnn2d.npz",
}


# A change that gives each stage something new to do: what it did before would come from DVC's cache.
CHANGES = {
    "demo_corpus": {"demo_corpus.seed": 1},
    "split": {"split.seed": 1},
    "preprocess": {"preprocess.preemphasis": 0.97},
    "augment": {"augment.seed": 1},
    "features_1d": {"features_1d.fmin_hz": 40.0},
    "spectrograms": {"spectrograms.fmin_hz": 40.0},
    "train_cnn1d": {"train_cnn1d.dropout": 0.4},
    "train_cnn2d": {"train_cnn2d.dropout": 0.4},
    "predict": {"train_cnn1d.patience_epochs": 39},
    "enrolment_check": {"enrolment_check.seed": 1},
    "evaluate": {"evaluate.seed": 1},
    "export": {"evaluate.seed": 1},
    "conditions": {"conditions.seed": 1},
    "summary": {"evaluate.seed": 1},
    "report": {"evaluate.seed": 1},
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_stage_is_not_taken_for_finished_and_a_second_run_completes(copied, stage):
    set_params(copied.folder, CHANGES[stage])
    running = subprocess.Popen(
        ["dvc", "repro", "--single-item", stage],
        cwd=copied.folder,
        env=copied.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    for line in running.stdout:
        if line.startswith(b"> python"):
            break
    if stage in MIDDLE:
        wait_until(lambda: list(copied.folder.glob(MIDDLE[stage])))
    else:
        time.sleep(0.3)
    assert running.poll() is None
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert stage in json.loads(copied.run("dvc", "status", "--json", stage).stdout)
    done = copied.run("dvc", "repro", "--single-item", stage)
    assert ran_stages(done.stdout) == [stage]
    assert ("resuming after epoch" in done.stdout) == stage.startswith("train_")
    assert json.loads(copied.run("dvc", "status", "--json", stage).stdout) == {}
    assert list(copied.folder.rglob("*.partial")) == []


@pytest.mark.real_speech
def test_some_actors_of_real_speech_run_through_the_whole_pipeline(project):
    corpus = next((path for path in REAL_CORPORA if (path / "AudioWAV").is_dir()), None)
    if corpus is None:
        pytest.skip("no real speech in ../shared/crema-d or data/crema-d")
    folder = project.folder / "data" / "few"
    (folder / "AudioWAV").mkdir(parents=True)
    files = sorted((corpus / "AudioWAV").iterdir())
    actors = sorted({file.name[:4] for file in files})[:4]
    for file in (file for file in files if file.name[:4] in actors and file.name[5:8] in ("IEO", "TIE", "DFA")):
        shutil.copyfile(file, folder / "AudioWAV" / file.name)
    shutil.copyfile(corpus / "VideoDemographics.csv", folder / "VideoDemographics.csv")
    (folder / "processedResults").mkdir()
    votes = "processedResults/tabulatedVotes.csv"
    shutil.copyfile(corpus / votes, folder / votes)
    done = project.run("dvc", "exp", "run", "-S", "corpus.dir=data/few")
    assert "evaluate" in ran_stages(done.stdout)
    clips = artifacts.read_parquet(project.folder / "data" / "clips.parquet")
    assert len(clips) == len(list((folder / "AudioWAV").iterdir()))
    assert clips["actor"].nunique() == 4
    assert clips[[f"votes_{emotion}" for emotion in EMOTIONS]].sum(axis=1).min() > 0
    metrics = metrics_of(project, "fusion")
    assert metrics["terms"]["corpus"] == "data/few"
    assert metrics["test"]["listeners"]["clips"] == metrics["test"]["clips"]
