"""A corpus with emotions of its own: it trains, is scored, is exported and answers, by parameters only."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from helpers import Project, made_once, set_params

from ser import artifacts

pytestmark = pytest.mark.pipeline
WORDS = {"ANG": "furious", "NEU": "plain", "HAP": "startled"}
LABELS = {"furious": "anger", "plain": "neutral", "startled": "surprise"}
EMOTIONS = ["anger", "neutral", "surprise"]


@pytest.fixture(scope="module")
def relabelled(finished: Project, tmp_path_factory) -> Project:
    """The finished project with half of its clips under other words, in a table, and the pipeline run on it."""

    def run_again(folder: Path) -> Project:
        project = finished.copy_to(folder)
        clips = sorted((folder / "data" / "demo" / "AudioWAV").glob("*.wav"))
        rows = []
        for path in clips:
            actor, _, code, _ = path.stem.split("_")
            rows.append({"path": path.name, "speaker": actor, "emotion": WORDS.get(code, "bored")})
        corpus = folder / "data" / "own"
        corpus.mkdir()
        for path in clips:
            shutil.copy(path, corpus)
        artifacts.write_csv(corpus / "clips.csv", rows, columns=list(rows[0]))
        set_params(folder, {"corpus.dir": "data/own", "corpus.format": "table", "corpus.labels": LABELS})
        project.ran = project.repro("report")
        return project

    return made_once("relabelled", run_again, tmp_path_factory)


def test_only_its_own_emotions_are_learnt_and_scored(relabelled):
    index = artifacts.read_parquet(relabelled.folder / "data" / "clips.parquet")
    assert sorted(set(index["emotion"])) == EMOTIONS
    rejected = artifacts.read_csv(relabelled.folder / "data" / "rejected.csv")
    assert {row["reason"] for row in rejected} == {"left out: emotion 'bored' is none of anger, neutral, surprise"}
    fusion = artifacts.read_json(relabelled.folder / "metrics" / "fusion.json")
    assert sorted(fusion["validation"]["recall"]) == EMOTIONS
    assert "listeners" not in fusion["test"]


def test_its_bundle_answers_with_them(relabelled):
    clip = next((relabelled.folder / "data" / "own").glob("*_ANG_*.wav"))
    answer = json.loads(relabelled.run("ser", "predict", "--json", "--model", "models/bundle.zip", str(clip)).stdout)
    assert sorted(answer["probabilities"]) == EMOTIONS
    table = relabelled.run("ser", "predict", "--csv", "--model", "models/bundle.zip", str(clip)).stdout
    (row,) = csv.DictReader(table.splitlines())
    assert row["emotion"] in EMOTIONS
    assert sum(float(row[emotion]) for emotion in EMOTIONS) == pytest.approx(1, abs=1e-5)


def test_a_bundle_is_scored_on_the_emotions_that_it_and_the_corpus_know(relabelled):
    own = relabelled.run(
        *("ser", "evaluate", "data/own", "--format", "table", "--model", "models/bundle.zip", "--json")
    )
    found = json.loads(own.stdout)
    assert found["emotions"] == EMOTIONS
    assert found["left_out"] == {"bored": found["left_out"]["bored"]}
    crema_d = relabelled.run("ser", "evaluate", "data/demo", "--model", "models/bundle.zip", "--json")
    found = json.loads(crema_d.stdout)
    assert sorted(found["recall"]) == ["anger", "neutral"]
    assert sorted(found["left_out"]) == ["disgust", "fear", "happiness", "sadness"]
