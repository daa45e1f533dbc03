"""Yardsticks: openSMILE's functionals and a support vector machine, on the same clips, folds and profiles.

``python -m studies.yardsticks --corpus data/ravdess --format ravdess`` writes ``results/crema-d/yardsticks.json``:
eGeMAPS (Eyben et al. 2016) and ComParE (Schuller et al. 2016) on the five folds of ``emo-superb``, and trained on the
first of them and asked about another corpus, as they are and with each speaker's clips z-scored, which knows all of the
speaker's clips as the profile "all" does. openSMILE, whose licence is for research, is installed for this and for
``make bench`` only: ``make yardsticks``.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ser import artifacts
from ser.audio.preprocessing import mix_down
from ser.audio.reading import read_audio
from ser.corpus.clips import words_of
from ser.corpus.formats import FORMATS, describe
from ser.corpus.listing import list_clips
from ser.params import Params, load
from ser.scoring.scores import confusion, rounded, unweighted_average_recall
from stages.shared.console import progress
from stages.shared.console import run as run_stage
from stages.split import divide_index

SAMPLE_RATE = 16_000
FOLDS = range(1, 6)
# Kernel, and the costs from which the validation clips choose.
MACHINES = {"eGeMAPSv02": ("rbf", (0.3, 1.0, 3.0)), "ComParE_2016": ("linear", (3e-5, 1e-4, 3e-4))}


def functionals(name: str, paths: list[Path], kept: Path) -> NDArray[np.float32]:
    """Functionals ``(recordings, features)`` of a feature set, kept in a file."""
    if kept.exists():
        return np.load(kept)
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet[name], opensmile.FeatureLevel.Functionals)

    def of(path: Path) -> NDArray[np.float32]:
        signal = mix_down(*read_audio(path), sample_rate=SAMPLE_RATE)
        return smile.process_signal(signal, SAMPLE_RATE).to_numpy(np.float32)[0]

    with artifacts.array_writer(kept, shape=(len(paths), smile.num_features), dtype=np.float32) as writer:
        for rows in progress((of(path)[None] for path in paths), total=len(paths)):
            writer.append(np.nan_to_num(rows))
    return np.load(kept)


def by_speaker(features: NDArray, speakers: NDArray) -> NDArray[np.float32]:
    """Every speaker's clips with mean 0 and deviation 1 in each feature."""
    out = np.empty_like(features)
    for speaker in np.unique(speakers):
        out[speakers == speaker] = StandardScaler().fit_transform(features[speakers == speaker])
    return out


def uar(actual: NDArray[np.int64], predicted: NDArray[np.int64], emotions: int) -> float:
    return float(unweighted_average_recall(confusion(actual, predicted, emotions)))


def answer(name: str, features: NDArray, labels: NDArray, subsets: NDArray, asked: NDArray) -> NDArray[np.int64]:
    """What the machine of the best cost on validation answers, trained and scaled on the training clips."""
    kernel, costs = MACHINES[name]
    scaler = StandardScaler().fit(features[subsets == "train"])
    train, validation, given = (
        scaler.transform(part).astype(np.float64)
        for part in (features[subsets == "train"], features[subsets == "validation"], asked)
    )
    if kernel == "linear":  # one product for all costs
        train, validation, given, kernel = train @ train.T, validation @ train.T, given @ train.T, "precomputed"
    machines = [SVC(C=cost, kernel=kernel, cache_size=1000).fit(train, labels[subsets == "train"]) for cost in costs]
    held_out = labels[subsets == "validation"]
    scores = [uar(held_out, machine.predict(validation), labels.max() + 1) for machine in machines]
    return machines[int(np.argmax(scores))].predict(given)


def study(name: str, params: Params, corpus: tuple[str, str] | None) -> dict:
    """UAR of a feature set on the folds and on the other corpus, as it is and by speaker."""
    index = artifacts.read_parquet("data/clips.parquet")
    emotions = params.corpus.emotions
    labels = np.array([emotions.index(emotion) for emotion in index["emotion"]])
    actors = index["actor"].to_numpy()
    audio = artifacts.location(params.corpus.dir) / FORMATS[params.corpus.format].audio_folder
    features = functionals(name, [audio / file for file in index["file"]], Path(f"data/{name}.npy"))
    splits = [
        np.array(divide_index(index, params.split.model_copy(update={"protocol": "emo-superb", "fold": fold})))
        for fold in FOLDS
    ]
    found = {}
    for way, own in (("as they are", features), ("by speaker", by_speaker(features, actors))):
        folds = [
            rounded(uar(labels[split == "test"], answer(name, own, labels, split, own[split == "test"]), len(emotions)))
            for split in splits
        ]
        found[way] = {"folds": folds, "uar": rounded(np.mean(folds))}
    if corpus:
        folder, layout = Path(corpus[0]), FORMATS[corpus[1]]
        said = list_clips(folder, layout, words_of(params.corpus.labels)).utterances
        paths = [folder / layout.audio_folder / file for file in said]
        other = functionals(name, paths, Path(f"data/{name}-{corpus[1]}.npy"))
        actual = np.array([emotions.index(utterance.name.emotion) for utterance in said.values()])
        speakers = np.array([utterance.name.actor for utterance in said.values()])
        ways = {
            "as they are": (features, other),
            "by speaker": (by_speaker(features, actors), by_speaker(other, speakers)),
        }
        for way, (own, asked) in ways.items():
            found[way]["other_corpus"] = rounded(
                uar(actual, answer(name, own, labels, splits[0], asked), len(emotions))
            )
    return found


def yardsticks() -> str:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", metavar="FOLDER", help="another corpus to ask about, such as data/ravdess")
    parser.add_argument("--format", choices=FORMATS, help="of the other corpus")
    options, params = parser.parse_args(), load()
    if (options.corpus is None) != (options.format is None):
        parser.error("--corpus and --format go together")
    corpus = (options.corpus, options.format) if options.corpus else None
    path = "results/crema-d/yardsticks.json"
    about = {"other_corpus": describe(*corpus)["name"] if corpus else None}
    artifacts.write_json(path, about | {name: study(name, params, corpus) for name in MACHINES})
    return f"{len(MACHINES)} feature sets, {path}"


if __name__ == "__main__":
    run_stage(yardsticks)
