"""What somebody adds, and how little is touched for it: a third network and a sixth corpus."""

import json
import sys
from pathlib import Path

import pytest
import soundfile
import yaml
from helpers import Project, set_params

from ser.corpus.demo import SAMPLE_RATE
from ser.corpus.formats import FORMATS

pytestmark = pytest.mark.pipeline

NETWORK = '''
"""The mean spectrum and a dense layer."""

import keras
from keras import layers

from ser.networks.network import Network, NetworkSettings


class Settings(NetworkSettings):
    units: int


def build(settings: Settings, frames: int, bands: int, extra: int) -> keras.Model:
    inputs = keras.Input((frames, bands + extra))
    x = layers.GlobalAveragePooling1D()(inputs)
    return keras.Model(inputs, layers.Dense(settings.units, activation="relu")(x))


NETWORK = Network("tiny", features="spectrograms", settings=Settings, build=build)
'''
STAGE = '''
"""Train the network of mean spectra."""

from ser.networks.tiny import NETWORK
from stages.shared.console import run
from stages.shared.training import train_stage


def train_tiny() -> str:
    return train_stage(NETWORK)


if __name__ == "__main__":
    run(train_tiny)
'''
CORPUS = '''
"""Toy: SPEAKER-emotion-number."""

from pathlib import PurePath

from ser.corpus.clips import ClipName, Format, Utterance


def parse_toy(path: str) -> Utterance:
    stem = PurePath(path).stem
    speaker, emotion, number = stem.split("-")
    return Utterance(ClipName(stem, int(speaker), number, emotion, "XX"))


FORMAT = Format("", "Toy (nobody, 2026)", "free", parse_toy)
'''


def add_network(project: Project) -> None:
    """A file, a block and a stage; and its model and its scores where ``dvc.yaml`` lists those of the others."""
    (project.folder / "ser" / "networks" / "tiny.py").write_text(NETWORK)
    (project.folder / "stages" / "train_tiny.py").write_text(STAGE)
    params = yaml.safe_load((project.folder / "params.yaml").read_text())
    block = {"units": 8, "spatial_dropout": 0.0, "dropout": 0.0, "epochs": 2, "patience_epochs": 2, "seed": 0}
    (project.folder / "params.yaml").write_text(yaml.safe_dump(params | {"train_tiny": block}, sort_keys=False))
    graph = yaml.safe_load((project.folder / "dvc.yaml").read_text())
    stages = graph["stages"]
    stages["train_tiny"] = json.loads(json.dumps(stages["train_cnn2d"]).replace("cnn2d", "tiny"))
    stages["predict"]["deps"].append("models/tiny.keras")
    stages["predict"]["outs"].append("models/tiny.onnx")
    stages["predict"]["params"].append("train_tiny")
    stages["export"]["deps"].append("models/tiny.onnx")
    stages["conditions"]["deps"].append("models/tiny.onnx")
    stages["evaluate"]["outs"].append({"metrics/tiny.json": {"cache": False}})
    stages["export"]["deps"].append("metrics/tiny.json")
    stages["export"]["params"].append("train_tiny")
    stages["summary"]["deps"].append("metrics/tiny.json")
    stages["report"]["deps"] += ["metrics/tiny.json", "metrics/tiny_history.csv"]
    (project.folder / "dvc.yaml").write_text(yaml.safe_dump(graph, sort_keys=False))


def add_corpus(project: Project) -> Path:
    """A file, and a line in the registry; the recordings are those of the demo corpus under other names."""
    (project.folder / "ser" / "corpus" / "toy.py").write_text(CORPUS)
    registry = project.folder / "ser" / "corpus" / "formats.py"
    text = registry.read_text().replace("from ser.corpus import ", "from ser.corpus import toy, ")
    registry.write_text(text.replace("FORMATS = {\n", 'FORMATS = {\n    "toy": toy.FORMAT,\n'))
    assert "toy" not in FORMATS
    codes = dict(zip(("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"), FORMATS_EMOTIONS, strict=True))
    folder = project.folder / "data" / "toy"
    folder.mkdir(parents=True)
    for number, path in enumerate(sorted((project.folder / "data" / "demo" / "AudioWAV").iterdir())):
        actor, _, code, _ = path.stem.split("_")
        samples, _ = soundfile.read(path)
        soundfile.write(folder / f"{actor}-{codes[code]}-{number}.wav", samples, SAMPLE_RATE)
    set_params(project.folder, {"corpus.dir": "data/toy", "corpus.format": "toy"})
    return folder


FORMATS_EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad")


def test_a_third_network_and_a_sixth_corpus_are_trained_scored_and_answer(project):
    add_network(project)
    project.run("dvc", "repro", "demo_corpus")
    folder = add_corpus(project)
    project.run("dvc", "repro")
    metrics = json.loads((project.folder / "metrics" / "summary.json").read_text())
    assert set(metrics["uar"]) == {"cnn1d", "cnn2d", "tiny", "fusion", "baseline"}
    assert "TINY" in (project.folder / "metrics" / "scores.md").read_text()
    page = (project.folder / "metrics" / "report.html").read_text()
    assert "TINY" in page
    assert (
        "Toy (nobody, 2026)" in project.run(sys.executable, "-m", "ser", "info", "--model", "models/bundle.zip").stdout
    )
    clip = str(next(folder.iterdir()))
    answered = project.run(sys.executable, "-m", "ser", "predict", "--json", "--model", "models/bundle.zip", clip)
    answer = json.loads(answered.stdout)
    assert set(answer["networks"]) == {"cnn1d", "cnn2d", "tiny"}
    for emotion, probability in answer["networks"]["tiny"].items():
        assert 0 <= probability <= 1, emotion
    scored = project.run(
        sys.executable, "-m", "ser", "evaluate", "data/toy", "--format", "toy", "--json", "--model", "models/bundle.zip"
    )
    assert set(json.loads(scored.stdout)["networks"]) == {"cnn1d", "cnn2d", "tiny"}
