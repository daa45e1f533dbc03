"""The report: one HTML page with what was trained, how well it does, on whom, and where it fails."""

import io as streams
import subprocess

import numpy as np
import soundfile

from ser import artifacts
from ser.answers.bundle import unpack
from ser.answers.importance import family_importance
from ser.answers.occlusion import occlusion_map
from ser.answers.recognizer import Recognizer
from ser.audio.reading import read_audio
from ser.corpus.formats import DEMO, FORMATS
from ser.corpus.partitions import SUBSETS
from ser.params import load
from ser.report import page
from ser.scoring.calibration import temper
from ser.scoring.scores import BASELINE, FUSION, confusion
from stages.shared.console import run

OTHER_CORPUS = "results/ravdess.json"  # of python -m studies.corpora
CODE = ("ser", "stages", "params.yaml", "dvc.yaml")
WRONG_CLIPS = 20
SALIENCY_CLIPS = 4  # of each emotion


def report() -> str:
    params = load()
    networks, emotions = list(params.networks), params.corpus.emotions
    classifiers = [*networks, FUSION]
    clips, predictions = (
        artifacts.read_parquet("data/clips.parquet"),
        artifacts.read_parquet("data/predictions.parquet"),
    )
    metrics = {name: artifacts.read_json(f"metrics/{name}.json") for name in (*classifiers, BASELINE)}
    bundle = unpack(artifacts.read_bytes("models/bundle.zip"), name="models/bundle.zip")
    rows = np.flatnonzero(predictions["subset"] == "test")
    given = {
        name: predictions[[f"{name}_{emotion}" for emotion in emotions]].to_numpy(np.float32)[rows]
        for name in classifiers
    }
    actual = np.array([emotions.index(emotion) for emotion in clips["emotion"]])[rows]
    actors = clips["actor"].to_numpy()[rows]
    votes = clips[[f"votes_{emotion}" for emotion in emotions]].to_numpy()[rows]
    decided = {name: probabilities.argmax(axis=1) for name, probabilities in given.items()}
    calibration, coverage = metrics[FUSION]["calibration"], artifacts.read_csv("metrics/coverage.csv")
    curve = [{key: float(value) for key, value in row.items()} for row in coverage]
    settings = params.evaluate
    recall = page.recall_section(
        decided, actual, actors, votes, emotions=emotions, samples=settings.bootstrap_samples, seed=settings.seed
    )
    recognizer = Recognizer(bundle, threads=0)
    scored = artifacts.read_json(OTHER_CORPUS)
    elsewhere = {"ravdess": scored} if scored["bundle"] == bundle.about["hash"] else {}
    wrong = wrong_clips(clips, rows, temper(given[FUSION], calibration["temperature"]), actual, votes, params.corpus)
    subsets = {
        name: {"actors": clips["actor"][own].nunique(), "clips": int(own.sum())}
        for name in SUBSETS
        for own in [predictions["subset"] == name]
    }
    counts = {name: confusion(actual, own, len(emotions)) for name, own in decided.items()}
    content = {
        "This run": page.run_section(bundle.about, code_version()),
        "Scores": page.scores_section(metrics, synthetic=bundle.about["corpus"]["name"] == DEMO["name"]),
        "Learning curves": page.curves_section({n: artifacts.read_csv(f"metrics/{n}_history.csv") for n in networks}),
        "Confusion": page.confusion_section(counts, emotions),
        "Recall": recall,
        "Groups": page.groups_section(artifacts.read_csv("metrics/groups.csv")),
        "Other conditions": page.conditions_section(artifacts.read_csv("metrics/conditions.csv")),
        "Other corpora": page.corpora_section(elsewhere),
        "Calibration": page.calibration_section(given[FUSION], actual, calibration, curve),
        "What the networks rest on": page.rested_section(importance(recognizer, rows, actual, settings.seed)),
        "What the networks look at": saliency(recognizer, rows, actual),
        "Confidently wrong": page.wrong_section(wrong),
        "Data": page.data_section(bundle.about["corpus"], subsets, artifacts.read_csv("data/rejected.csv")),
        "Model card": page.card_section(),
    }
    content = {name: blocks for name, blocks in content.items() if blocks}
    html = page.page(f"Speech emotion recognition: {bundle.about['corpus']['name'].split(' (')[0]}", content)
    artifacts.write_bytes("metrics/report.html", html.encode())
    return f"{len(content)} sections, metrics/report.html of {len(html) / 1e6:.1f} MB"


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


def wrong_clips(clips, rows, probabilities, actual, votes, corpus) -> list[dict]:
    """The test clips that were answered wrongly with the highest probability, with their sound."""
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != actual)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:WRONG_CLIPS]
    folder = artifacts.location(corpus.dir) / FORMATS[corpus.format].audio_folder
    found = []
    for place in chosen:
        order = np.argsort(-votes[place], kind="stable")
        heard = {corpus.emotions[number]: int(votes[place, number]) for number in order if votes[place, number]}
        samples, sample_rate = read_audio(folder / clips["file"][rows[place]])
        sound = streams.BytesIO()
        soundfile.write(sound, samples, sample_rate, format="FLAC", subtype="PCM_16")
        found.append(
            {
                "clip": clips["clip"][rows[place]],
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
