"""The report: one HTML page with what was trained, how well it does, on whom, and where it fails."""

import io as streams
import subprocess
from dataclasses import dataclass

import numpy as np
import pandas as pd
import soundfile

from ser import artifacts
from ser.answers.bundle import unpack
from ser.answers.importance import family_importance
from ser.answers.occlusion import occlusion_map
from ser.answers.recognizer import Recognizer
from ser.audio.reading import read_audio
from ser.corpus.formats import DEMO, FORMATS
from ser.corpus.partitions import SUBSETS
from ser.params import Corpus, load
from ser.report import page
from ser.scoring.calibration import temper
from ser.scoring.scores import BASELINE, FUSION, confusion
from stages.shared.console import run

OTHER_CORPUS = "results/ravdess.json"  # of python -m studies.corpora
CODE = ("ser", "stages", "params.yaml", "dvc.yaml")
WRONG_CLIPS = 20
SALIENCY_CLIPS = 4  # of each emotion


@dataclass(frozen=True)
class Tested:
    """The test clips: what they were meant to say, what was heard, and what every classifier answered."""

    rows: np.ndarray  # in clips.parquet
    actual: np.ndarray
    actors: np.ndarray
    votes: np.ndarray  # (clips, emotions)
    given: dict[str, np.ndarray]  # probabilities (clips, emotions)

    @property
    def decided(self) -> dict[str, np.ndarray]:
        """Number of the emotion that each classifier answered."""
        return {name: probabilities.argmax(axis=1) for name, probabilities in self.given.items()}


def report() -> str:
    params, clips = load(), artifacts.read_parquet("data/clips.parquet")
    networks, emotions, settings = list(params.networks), params.corpus.emotions, params.evaluate
    metrics = {name: artifacts.read_json(f"metrics/{name}.json") for name in (*networks, FUSION, BASELINE)}
    bundle = unpack(artifacts.read_bytes("models/bundle.zip"), name="models/bundle.zip")
    recognizer, corpus = Recognizer(bundle, threads=0), bundle.about["corpus"]
    synthetic = corpus["name"] == DEMO["name"]
    tested = read_tested(clips, emotions, classifiers=[*networks, FUSION])
    drawn = {"samples": settings.bootstrap_samples, "seed": settings.seed}
    heard = np.zeros_like(tested.votes) if synthetic else tested.votes  # the demo's listeners are invented
    calibration = metrics[FUSION]["calibration"]
    histories = {name: artifacts.read_csv(f"metrics/{name}_history.csv") for name in networks}
    counts = {name: confusion(tested.actual, own, len(emotions)) for name, own in tested.decided.items()}
    content = {
        "This run": page.run_section(bundle.about, code_version()),
        "Scores": page.scores_section(metrics, corpus=corpus["name"]),
        "Learning curves": page.curves_section(histories),
        "Confusion": page.confusion_section(counts, emotions),
        "Recall": page.recall_section(tested.decided, tested.actual, tested.actors, heard, emotions=emotions, **drawn),
        "Groups": page.groups_section(artifacts.read_csv("metrics/groups.csv")),
        "Other conditions": page.conditions_section(artifacts.read_csv("metrics/conditions.csv")),
        "Other corpora": page.corpora_section(other_corpora(bundle.about["hash"])),
        "Calibration": page.calibration_section(tested.given[FUSION], tested.actual, calibration, coverage_curve()),
        "What the networks rest on": page.rested_section(
            importance(recognizer, tested.rows, tested.actual, settings.seed)
        ),
        "What the networks look at": saliency(recognizer, tested.rows, tested.actual),
        "Confidently wrong": page.wrong_section(wrong_clips(clips, tested, calibration["temperature"], params.corpus)),
        "Data": page.data_section(corpus, subset_sizes(clips), artifacts.read_csv("data/rejected.csv")),
        "Model card": page.card_section(corpus["name"]),
    }
    content = {name: blocks for name, blocks in content.items() if blocks}
    html = page.page(f"Speech emotion recognition: {corpus['name'].split(' (')[0]}", content)
    artifacts.write_bytes("metrics/report.html", html.encode())
    return f"{len(content)} sections, metrics/report.html of {len(html) / 1e6:.1f} MB"


def read_tested(clips: pd.DataFrame, emotions: tuple[str, ...], *, classifiers: list[str]) -> Tested:
    """The test clips, as ``evaluate`` left them."""
    predictions = artifacts.read_parquet("data/predictions.parquet")
    rows = np.flatnonzero(predictions["subset"] == "test")
    return Tested(
        rows,
        np.array([emotions.index(emotion) for emotion in clips["emotion"]])[rows],
        clips["actor"].to_numpy()[rows],
        clips[[f"votes_{emotion}" for emotion in emotions]].to_numpy()[rows],
        {
            name: predictions[[f"{name}_{emotion}" for emotion in emotions]].to_numpy(np.float32)[rows]
            for name in classifiers
        },
    )


def coverage_curve() -> list[dict]:
    """Accuracy by the share of clips that are answered."""
    return [{key: float(value) for key, value in row.items()} for row in artifacts.read_csv("metrics/coverage.csv")]


def other_corpora(bundle: str) -> dict[str, dict]:
    """What was measured of this very bundle on another corpus."""
    scored = artifacts.read_json(OTHER_CORPUS)
    return {"ravdess": scored} if scored["bundle"] == bundle else {}


def subset_sizes(clips: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Actors and clips of each subset."""
    subsets = artifacts.read_parquet("data/predictions.parquet")["subset"]
    return {
        name: {"actors": clips["actor"][own].nunique(), "clips": int(own.sum())}
        for name in SUBSETS
        for own in [subsets == name]
    }


def code_version() -> str:
    """The last commit of code or parameters, its date, and whether they were changed since.

    No dependency of the stage: a report whose figures are the same is not made again for another commit.
    """

    def git(*command: str) -> subprocess.CompletedProcess:
        return subprocess.run(["git", *command, "--", *CODE], capture_output=True, text=True, check=False)

    last = git("log", "-1", "--format=%h of %cs")
    changed = ", changed since" if git("diff", "--quiet", "HEAD").returncode else ""
    return last.stdout.strip() + changed if last.returncode == 0 and last.stdout else "not in Git"


def importance(recognizer: Recognizer, rows: np.ndarray, actual: np.ndarray, seed: int) -> dict[str, dict[str, float]]:
    """By how much each network's test UAR falls when a family of frame features is exchanged."""
    frames = artifacts.open_array("data/features_1d.npy")
    stored = [row["name"] for row in artifacts.read_csv("data/features_1d.csv")]
    read = frames[rows][..., [stored.index(name) for name in recognizer.names["features_1d"]]]
    falls = {
        network: family_importance(recognizer, network, read, actual, rng=np.random.default_rng(seed))
        for network in recognizer.reading("features_1d")
    }
    return {network: {name.replace("_", " "): fall for name, fall in own.items()} for network, own in falls.items()}


def saliency(recognizer: Recognizer, rows: np.ndarray, actual: np.ndarray) -> list[page.Block]:
    """The mean map of what each emotion's answer rests on, of the networks that read spectrograms."""
    mels = artifacts.open_array("data/spectrograms.npy")
    spectrograms, rate = recognizer.params.spectrograms, recognizer.params.preprocess.sample_rate
    seconds = mels.shape[1] * spectrograms.hop_length / rate
    pictures, nothing = {}, np.zeros((mels.shape[1], spectrograms.n_mels), np.float32)
    for network in recognizer.reading("spectrograms"):
        maps = {}
        for number, emotion in enumerate(recognizer.emotions):
            own = rows[actual == number]
            chosen = own[np.linspace(0, len(own) - 1, min(SALIENCY_CLIPS, len(own))).astype(int)]
            found = [occlusion_map(recognizer, network, mels[row].astype(np.float32), number) for row in chosen]
            maps[emotion] = np.mean(found, axis=0) if found else nothing
        pictures[network] = maps
    return page.looked_section(pictures, seconds=seconds, clips=SALIENCY_CLIPS)


def wrong_clips(clips: pd.DataFrame, tested: Tested, temperature: float, corpus: Corpus) -> list[dict]:
    """The test clips that were answered wrongly with the highest probability, with their sound."""
    actual, votes = tested.actual, tested.votes
    probabilities = temper(tested.given[FUSION], temperature)
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != actual)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:WRONG_CLIPS]
    folder = artifacts.location(corpus.dir) / FORMATS[corpus.format].audio_folder
    found = []
    for place in chosen:
        order = np.argsort(-votes[place], kind="stable")
        heard = {corpus.emotions[number]: int(votes[place, number]) for number in order if votes[place, number]}
        samples, sample_rate = read_audio(folder / clips["file"][tested.rows[place]])
        sound = streams.BytesIO()
        soundfile.write(sound, samples, sample_rate, format="FLAC", subtype="PCM_16")
        found.append(
            {
                "clip": clips["clip"][tested.rows[place]],
                "intended": corpus.emotions[actual[place]],
                "answered": corpus.emotions[predicted[place]],
                "probability": float(confidence[place]),
                "heard": ", ".join(f"{emotion} {count}" for emotion, count in heard.items()),
                "flac": sound.getvalue(),
            }
        )
    return found


if __name__ == "__main__":
    run(report)
