"""The ablation: what each step adds or costs, on CREMA-D, under other conditions, and on another corpus.

``python -m studies.ablate`` trains the 1D network briefly once a row, under the current ``params.yaml`` with what the
row changes, and writes ``results/crema-d/ablation.json``. A row runs in a folder of its own, ``data/ablation/NAME``,
where only the stages run that its changes touch, by ``dvc.yaml``; the other arrays are those of ``data/``. A row that
was run before counts as long as its code, data and parameters are the same. Only validation actors are scored.
"""

import argparse
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from ser import artifacts
from ser.audio.conditions import CONDITIONS, Recording
from ser.audio.preprocessing import preprocess
from ser.audio.reading import read_audio
from ser.corpus.clips import words_of
from ser.corpus.formats import FORMATS, describe
from ser.corpus.listing import list_clips
from ser.errors import InputError
from ser.features.families import FAMILIES, frame_features
from ser.networks.cnn1d import NETWORK
from ser.parallel import workers
from ser.params import Params, load
from ser.randomness import clip_rng
from ser.scoring.scores import confusion, paired_difference, score, unweighted_average_recall
from ser.training.fit import Session, predict_probabilities
from ser.training.train import predict, train
from stages.conditions import VOICES, mono, speech_of
from stages.shared.clips import read_clips
from stages.shared.console import run as run_stage
from stages.shared.key import hash_once, run_key
from stages.shared.training import read_features
from studies.processes import run_each
from studies.runs import versions

RESULTS, WORKSPACES = Path("results/crema-d/ablation.json"), Path("data/ablation")
SHORT = {"train_cnn1d.epochs": 15}
TRIED = (
    "white noise, 20 dB",
    "pink noise, 10 dB",
    "babble, 10 dB",
    "room, 0.3 s",
    "telephone",
    "MP3, lowest rate",
    "tilt of +3 dB an octave",
    "tilt of -3 dB an octave",
)
TRIED_CLIPS = 120
FLY = "training.on_the_fly"
# What each row changes in the defaults.
ROWS: dict[str, dict] = {
    "defaults": {},
    "spectral subtraction": {"preprocess.spectral_subtraction.enabled": True},
    "silence kept": {"preprocess.remove_silence.where": "nowhere"},
    "silence removed everywhere": {"preprocess.remove_silence.where": "everywhere"},
    "pre-emphasis": {"preprocess.preemphasis": 0.97},
    "no copies": {"training.copies": []},
    "copies with noise as well": {"training.copies": ["device", "noise"]},
    "shifted copies as well": {"training.copies": ["device", "shift"]},
    "copies at another pitch as well": {"training.copies": ["device", "pitch"]},
    **{
        f"devices without {name.replace('_', ' ')}": {f"augment.device.{name}": 0.0}
        for name in ("microphone", "room", "noise", "babble", "gain_control")
    },
    "never an enrolment": {"training.enrolment.p_none": 1.0},
    "enrolment of all emotions only": {
        f"training.enrolment.{name}": 0.0 for name in ("p_neutral", "p_one_emotion", "p_two_emotions")
    },
    "twice the epochs": {"train_cnn1d.epochs": 30},
    "no masks": {f"{FLY}.time_masks": 0, f"{FLY}.mel_masks": 0},
    "no mixup": {f"{FLY}.mixup_alpha": 0.0},
    "no change of speed": {f"{FLY}.max_rate": 0.0, f"{FLY}.max_shift_seconds": 0.0},
    "no warp of frequency": {f"{FLY}.max_warp": 0.0},
    "soft labels": {"training.soft_labels": 0.5},
    "log-mel only": {"train_cnn1d.families": ["log_mel"]},
    "no pitch": {"train_cnn1d.families": ["log_mel", "energy", "entropy_of_energy", "zero_crossing_rate"]},
    "MFCC in place of log-mel": {
        "train_cnn1d.families": ["mfcc", "energy", "entropy_of_energy", "zero_crossing_rate", "pitch"]
    },
}
FEATURE_STAGES = ("preprocess", "augment", "features_1d")
COUNTED = ("data/clips.parquet", "data/signals.npy")  # what else lies in data/ follows from them


def changed(params: Params, settings: dict) -> Params:
    """Parameters with some values, by their dotted keys, in place of their own."""
    content = params.blocks()
    for key, value in (SHORT | settings).items():
        *parents, last = key.split(".")
        block = content
        for parent in parents:
            block = block[parent]
        block[last] = value
    return Params.model_validate(content)


def workspace(name: str) -> Path:
    """The folder of a row."""
    return WORKSPACES / name.replace(" ", "-")


def stages_of(settings: dict) -> list[str]:
    """The stages before the training that a row's changes touch, and those behind them, by ``dvc.yaml``."""
    stages = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    touched: list[str] = []
    written: set[str] = set()
    for name in FEATURE_STAGES:
        listed, needed = stages[name]["params"], set(stages[name]["deps"])
        if needed & written or any(key == one or key.startswith(f"{one}.") for key in settings for one in listed):
            touched.append(name)
            written |= set(stages[name]["outs"])
    return touched


def prepare(name: str, params: Params) -> Path:
    """A folder for a row, in which its features lie: those that its changes touch, and links to the others."""
    folder, settings = workspace(name), ROWS[name]
    stages = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    touched = stages_of(settings)
    own = {out for stage in touched for out in stages[stage]["outs"]}
    (folder / "data").mkdir(parents=True, exist_ok=True)
    artifacts.write_bytes(folder / "params.yaml", yaml.safe_dump(params.blocks(), sort_keys=False).encode())
    for path in sorted(Path("data").iterdir()):
        link = folder / "data" / path.name
        if path.is_file() and f"data/{path.name}" not in own:
            link.unlink(missing_ok=True)
            link.symlink_to(path.resolve())
    for needed in ("dvc.yaml", params.corpus.dir):
        link = folder / needed
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(Path(needed).resolve())
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    for stage in touched:
        done = subprocess.run([sys.executable, "-m", f"stages.{stage}"], cwd=folder, env=environment, check=False)
        if done.returncode:
            raise InputError(f"The stage {stage} of the row {name!r} failed with status {done.returncode}; see above.")
    return folder


def key_of(params: Params, corpus: tuple[str, str] | None) -> str:
    """What a row must have been run with to count: what ``studies/dvc.yaml`` lists for the ablation."""
    stage = yaml.safe_load(Path("studies/dvc.yaml").read_text(encoding="utf-8"))["stages"]["ablation"]
    listed = [path for path in stage["deps"] if not path.startswith("data/") or path in COUNTED]
    files = [str(file) for path in listed for file in (sorted(Path(path).rglob("*.py")) or [path])]
    named = sorted(str(path) for path in Path(corpus[0]).rglob("*.*")) if corpus else []
    subsets = artifacts.read_parquet("data/split.parquet")["subset"].tolist()
    others = [yaml.safe_dump(params.blocks()), str(corpus), *named, *map(hash_once, files)]
    return run_key("train_cnn1d", params, subsets, *others)


def run_row(name: str, corpus: tuple[str, str] | None) -> None:
    """Train and score a row, and write what it said into its folder."""
    params = changed(load(), ROWS[name])
    key = key_of(params, corpus)
    folder, home = prepare(name, params), Path.cwd()
    os.chdir(folder)
    clips, features = read_clips(), read_features(NETWORK)
    session = Session(report=lambda line: print(f"{name}: {line}", flush=True))
    model, _ = train(NETWORK, features, clips, params, session)
    held_out = clips.rows("validation")
    columns = NETWORK.columns_of(params, features.table)
    said = {"validation": predict(NETWORK, model, features, clips, params)[held_out]}
    os.chdir(home)

    def asked(recordings: list[tuple[NDArray, int]]) -> NDArray[np.float32]:
        return predict_probabilities(model, np.stack([features_of(*one, params)[:, columns] for one in recordings]))

    index = artifacts.read_parquet("data/clips.parquet")
    audio = artifacts.location(params.corpus.dir) / FORMATS[params.corpus.format].audio_folder
    tried, heard = conditions_of(params, index, np.array(clips.subsets), audio)
    said |= {f"condition {condition}": asked(given) for condition, given in heard.items()}
    arrays = {"tried": tried}
    if corpus:
        arrays["emotions"], given = recordings_of(corpus, params)
        said["corpus"] = np.concatenate([asked(given[start : start + 64]) for start in range(0, len(given), 64)])
    artifacts.write_arrays(folder / "said.npz", **{name: [array] for name, array in (said | arrays).items()})
    artifacts.write_json(folder / "row.json", {"key": key, "settings": ROWS[name]})
    shutil.rmtree(folder / "data")  # some gigabytes


def features_of(samples: NDArray[np.float32], sample_rate: int, params: Params) -> NDArray[np.float32]:
    """Frame features of a recording, all columns, as the pipeline stores them."""
    signal = preprocess(samples, sample_rate, params.preprocess).astype(np.float16).astype(np.float32)
    rows = frame_features(
        signal, sample_rate=params.preprocess.sample_rate, settings=params.features_1d, families=[*FAMILIES]
    )
    return rows.astype(np.float16).astype(np.float32)


def conditions_of(
    params: Params, index, subsets: NDArray[np.str_], audio
) -> tuple[NDArray[np.int64], dict[str, list[tuple[NDArray, int]]]]:
    """Rows of the validation clips that are tried, and each as it is under every condition."""
    rng = np.random.default_rng(params.conditions.seed)
    validation, trained = (rng.permutation(np.flatnonzero(subsets == subset)) for subset in ("validation", "train"))
    chosen = np.sort(validation[:TRIED_CLIPS])
    files, rate = index["file"].tolist(), params.preprocess.sample_rate

    voices = [mono(audio / files[row], rate)[0] for row in trained[:VOICES]]
    heard: dict[str, list[tuple[NDArray, int]]] = {}
    for condition in (one for one in CONDITIONS if one.name in TRIED):
        for row in chosen:
            draw = clip_rng(params.conditions.seed, f"{files[row]} {condition.name}")
            signal, _ = mono(audio / files[row], rate)
            changed_signal = condition.apply(Recording(signal, rate, draw, speech_of(voices, draw, rate, rate)))
            if changed_signal is not None:
                heard.setdefault(condition.name, []).append((changed_signal[0][:, None], changed_signal[1]))
    return chosen, heard


def recordings_of(corpus: tuple[str, str], params: Params) -> tuple[NDArray[np.int64], list[tuple[NDArray, int]]]:
    """Emotion numbers and recordings of another corpus, given as folder and format."""
    folder, layout = Path(corpus[0]), FORMATS[corpus[1]]
    said = list_clips(folder, layout, words_of(params.corpus.labels)).utterances
    emotions = [params.corpus.emotions.index(utterance.name.emotion) for utterance in said.values()]
    return np.array(emotions), [read_audio(folder / layout.audio_folder / file) for file in said]


def table_row(name: str, params: Params) -> dict:
    """A row's figures, and its differences from the defaults over validation actors."""
    said, base = (
        {key: value[0] for key, value in artifacts.read_arrays(workspace(one) / "said.npz").items()}
        for one in (name, "defaults")
    )
    clips, settings = read_clips(), params.evaluate
    held_out = clips.rows("validation")
    actual, actors = clips.labels[held_out], clips.actors[held_out]

    def uar(probabilities: NDArray, labels: NDArray[np.int64]) -> float:
        counts = confusion(labels, probabilities.argmax(axis=1), len(clips.emotions))
        return round(float(unweighted_average_recall(counts)), 4)

    def rng() -> np.random.Generator:
        return np.random.default_rng(settings.seed)

    samples, given = settings.bootstrap_samples, said["validation"]
    found = score(given, actual, actors, bootstrap_samples=samples, rng=rng(), emotions=clips.emotions)
    decided, usual = (one["validation"].argmax(axis=1) for one in (said, base))
    against = paired_difference(actual, decided, usual, actors, samples=samples, rng=rng())
    tried = clips.labels[said["tried"]]
    under = {
        key.removeprefix("condition "): uar(own, tried) for key, own in said.items() if key.startswith("condition ")
    }
    return {
        "row": name,
        "settings": ROWS[name],
        **{key: found[key] for key in ("uar", "uar_low", "uar_high", "clips", "actors")},
        "against_defaults": against,
        "conditions": under,
        "conditions_uar": round(float(np.mean(list(under.values()))), 4),
        "corpus_uar": uar(said["corpus"], said["emotions"]) if "corpus" in said else None,
    }


def finished(name: str, params: Params, corpus: tuple[str, str] | None) -> bool:
    """Whether a row was run with this code, data and parameters."""
    path = workspace(name) / "row.json"
    return path.exists() and artifacts.read_json(path)["key"] == key_of(changed(params, ROWS[name]), corpus)


def ablate() -> str:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", action="append", choices=ROWS, help="run the defaults and this row; may be repeated")
    parser.add_argument("--corpus", metavar="FOLDER", help="another corpus to score on, such as data/ravdess")
    parser.add_argument("--format", choices=FORMATS, help="of the other corpus")
    parser.add_argument("--only", choices=ROWS, help="run this row in this process, and write no table")
    options, params = parser.parse_args(), load()
    if (options.corpus is None) != (options.format is None):
        parser.error("--corpus and --format go together")
    corpus = (options.corpus, options.format) if options.corpus else None
    if options.only:
        run_row(options.only, corpus)
        return f"{options.only} run"
    wanted = ["defaults", *(name for name in ROWS if name != "defaults" and name in (options.row or ROWS))]
    missing = [name for name in wanted if not finished(name, params, corpus)]
    command = ["-m", "studies.ablate"]
    command += ["--corpus", options.corpus, "--format", options.format] if options.corpus else []
    failed = run_each({name: [*command, "--only", name] for name in missing}, jobs=workers())
    if failed:
        raise InputError(f"{len(failed)} of {len(missing)} rows failed, see above: {', '.join(failed)}")
    shown = [name for name in ROWS if finished(name, params, corpus)]
    about = {
        "corpus": params.corpus.dir,
        "protocol": params.split.protocol,
        "other_corpus": describe(options.corpus, options.format)["name"] if options.corpus else None,
        "conditions": list(TRIED),
        "tried_clips": TRIED_CLIPS,
        "seed": params.networks["cnn1d"].seed,
        "date": date.today().isoformat(),
        "versions": versions(),
    }
    rows = [table_row(name, params) for name in shown]
    artifacts.write_json(RESULTS, {"common": SHORT, "about": about, "rows": rows})
    return f"{len(missing)} rows run, {len(shown) - len(missing)} taken from {WORKSPACES}"


if __name__ == "__main__":
    run_stage(ablate)
