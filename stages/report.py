"""The report: one HTML page with what was trained, how well it does, on whom, and where it fails."""

import io as streams

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
from ser.scoring import charts
from ser.scoring import page as sections
from ser.scoring.calibration import temper
from ser.scoring.scores import BASELINE, FUSION, confusion
from ser.scoring.tables import title_of
from stages.shared.console import run

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
    recall = sections.recall_section(
        decided, actual, actors, votes, emotions=emotions, samples=settings.bootstrap_samples, seed=settings.seed
    )
    importance, saliency = inside(bundle, rows, actual, settings.seed)
    wrong = wrong_clips(clips, rows, temper(given[FUSION], calibration["temperature"]), actual, votes, params.corpus)
    subsets = {
        name: {"actors": clips["actor"][own].nunique(), "clips": int(own.sum())}
        for name in SUBSETS
        for own in [predictions["subset"] == name]
    }
    content = {
        "This run": sections.run_section(bundle.about),
        "Scores": sections.scores_section(metrics, synthetic=bundle.about["corpus"]["name"] == DEMO["name"]),
        "Learning curves": sections.curves_section(
            {n: artifacts.read_csv(f"metrics/{n}_history.csv") for n in networks}
        ),
        "Confusion": sections.confusion_section(
            {name: confusion(actual, own, len(emotions)) for name, own in decided.items()}, emotions
        ),
        "Recall": recall,
        "Groups": sections.groups_section(artifacts.read_csv("metrics/groups.csv")),
        "Other conditions": sections.conditions_section(artifacts.read_csv("metrics/conditions.csv")),
        "Calibration": sections.calibration_section(given[FUSION], actual, calibration, curve),
        "What the networks rest on": importance,
        "What the networks look at": saliency,
        "Confidently wrong": sections.wrong_section(wrong),
        "Data": sections.data_section(bundle.about["corpus"], subsets, artifacts.read_csv("data/rejected.csv")),
        "Model card": sections.MODEL_CARD,
    }
    html = sections.page(f"Speech emotion recognition: {bundle.about['corpus']['name'].split(' (')[0]}", content)
    artifacts.write_bytes("metrics/report.html", html.encode())
    return f"{len(content)} sections, metrics/report.html of {len(html) / 1e6:.1f} MB"


def inside(bundle, rows: np.ndarray, actual: np.ndarray, seed: int) -> tuple[str, str]:
    """Importance of the feature families, and the mean map of what each emotion's answer rests on."""
    recognizer = Recognizer(bundle, threads=0)
    frames, mels = artifacts.open_array("data/features_1d.npy"), artifacts.open_array("data/spectrograms.npy")
    stored = [row["name"] for row in artifacts.read_csv("data/features_1d.csv")]
    read = frames[rows][..., [stored.index(name) for name in recognizer.names["features_1d"]]]
    rested = []
    for network in recognizer.reading("features_1d"):
        falls = family_importance(recognizer, network, read, actual, rng=np.random.default_rng(seed))
        named = {name.replace("_", " "): fall for name, fall in falls.items()}
        rested.append(f"<h3>{title_of(network)}</h3>{charts.bars(named, x='fall of the test UAR')}")
    spectrograms, rate = recognizer.params.spectrograms, recognizer.params.preprocess.sample_rate
    seconds = mels.shape[1] * spectrograms.hop_length / rate
    looked, nothing = [], np.zeros((mels.shape[1], spectrograms.n_mels), np.float32)
    for network in recognizer.reading("spectrograms"):
        maps = {}
        for number, emotion in enumerate(recognizer.emotions):
            own = rows[actual == number]
            chosen = own[np.linspace(0, len(own) - 1, min(SALIENCY_CLIPS, len(own))).astype(int)]
            found = [occlusion_map(recognizer, network, mels[row].astype(np.float32), number) for row in chosen]
            maps[emotion] = np.mean(found, axis=0) if found else nothing
        looked.append(f"<h3>{title_of(network)}</h3>{charts.maps(maps, seconds=seconds)}")
    note = (
        f'<p class="note">Mean over up to {SALIENCY_CLIPS} test clips of each emotion of how far its probability falls '
        "when a part is hidden; red: the answer rests on it.</p>"
    )
    return "".join(rested), "".join(looked) + note


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
