"""The ablation table: what each step adds or costs, each row an experiment of DVC.

``python -m studies.ablate`` runs ``dvc exp run train_cnn1d`` once a row under the current ``params.yaml``
and a short training, scores validation, and writes ``results/crema-d/ablation.json``. DVC's run cache
makes a second call cheap. ``--row`` runs only some rows. ``params.yaml`` and ``dvc.lock`` end as they were.
"""

import argparse
import os
import subprocess
from datetime import date
from pathlib import Path

import numpy as np

from ser import artifacts
from ser.errors import InputError
from ser.networks.cnn1d import NETWORK
from ser.params import Params, load
from ser.scoring.scores import paired_difference, score
from ser.training.train import predict
from stages.shared.clips import read_clips
from stages.shared.console import run
from stages.shared.training import read_features
from studies.runs import ENVIRONMENT, versions

RESULTS = Path("results/crema-d/ablation.json")
SHORT = ("train_cnn1d.epochs=15",)
ON_THE_FLY = {
    name: [f"training.on_the_fly.{key}" for key in keys]
    for name, keys in {
        "masks": ["time_masks=0", "mel_masks=0"],
        "mixup": ["mixup_alpha=0"],
        "change of speed": ["max_rate=0"],
        "warp of frequency": ["max_warp=0"],
    }.items()
}
NOTHING = ["training.on_the_fly.max_shift_seconds=0.0", *(setting for keys in ON_THE_FLY.values() for setting in keys)]
# Each row changes the defaults by these settings.
ROWS = {
    "defaults": [],
    "spectral subtraction": ["preprocess.spectral_subtraction.enabled=true"],
    "silence kept": ["preprocess.remove_silence.where=nowhere"],
    "silence removed everywhere": ["preprocess.remove_silence.where=everywhere"],
    "pre-emphasis": ["preprocess.preemphasis=0.97"],
    "clip normalised": ["preprocess.normalize_audio=true"],
    "no copies": ["training.copies=[]"],
    "copies with noise as well": ["training.copies=[device,noise]"],
    "shifted copies as well": ["training.copies=[device,shift]"],
    "copies at another pitch as well": ["training.copies=[device,pitch]"],
    **{
        f"devices without {name}": [f"augment.device.{key}=0.0"]
        for name, key in {"microphone": "microphone", "room": "room", "noise": "noise", "babble": "babble"}.items()
    },
    "never a reference": ["training.references.none=1.0"],
    "references of all emotions only": ["training.references.neutral=0.0", "training.references.two_emotions=0.0"],
    "with the level": ["training.level=true"],
    "twice the epochs": ["train_cnn1d.epochs=30"],
    **{f"no {name}": settings for name, settings in ON_THE_FLY.items()},
    "nothing on the fly": NOTHING,
    "nothing on the fly, 60 epochs": [*NOTHING, "train_cnn1d.epochs=60"],
    "soft labels": ["training.soft_labels=0.5"],
    "log-mel only": ["train_cnn1d.families=[log_mel]"],
    "no pitch": ["train_cnn1d.families=[log_mel,energy,entropy_of_energy,zero_crossing_rate]"],
    "MFCC as well": ["train_cnn1d.families=[log_mel,energy,entropy_of_energy,zero_crossing_rate,pitch,mfcc]"],
    "MFCC in place of log-mel": ["train_cnn1d.families=[mfcc,energy,entropy_of_energy,zero_crossing_rate,pitch]"],
}


def run_experiment(name: str, settings: list[str]) -> None:
    """Let DVC run what the settings change, up to the trained 1D network."""
    changes = [argument for setting in settings for argument in ("--set-param", setting)]
    done = subprocess.run(["dvc", "exp", "run", *changes, "train_cnn1d"], env=os.environ | ENVIRONMENT)
    if done.returncode:
        raise InputError(f"'dvc exp run' of the row {name!r} failed with status {done.returncode}; see above.")


def predict_validation() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, emotion numbers and actors of the validation clips, by the network just trained."""
    params, clips = load(), read_clips()
    held_out = clips.rows("validation")
    model = artifacts.read_model("models/cnn1d.keras")
    probabilities = predict(NETWORK, model, read_features(NETWORK), clips, params)
    return probabilities[held_out], clips.labels[held_out], clips.actors[held_out]


def measure(name: str, reference: np.ndarray | None) -> tuple[dict, np.ndarray]:
    """A row of the table, and what its network decided; ``reference`` is what the defaults' network decided."""
    run_experiment(name, [*SHORT, *ROWS[name]])
    given, actual, actors = predict_validation()
    decided = given.argmax(axis=1)
    reference = decided if reference is None else reference
    params = load()
    bootstrap = params.evaluate

    def rng() -> np.random.Generator:
        return np.random.default_rng(bootstrap.seed)

    samples = bootstrap.bootstrap_samples
    found = score(given, actual, actors, bootstrap_samples=samples, rng=rng(), emotions=params.corpus.emotions)
    against = paired_difference(actual, decided, reference, actors, samples=samples, rng=rng())
    scores = {key: found[key] for key in ("uar", "uar_low", "uar_high", "accuracy", "clips", "actors")}
    return {"row": name, "settings": ROWS[name], **scores, "against_defaults": against}, decided


def earlier_rows() -> dict[str, dict]:
    """Rows that the table has, under the training that is run now."""
    if not RESULTS.exists():
        return {}
    table = artifacts.read_json(RESULTS)
    return {row["row"]: row for row in table["rows"]} if table["common"] == [*SHORT] else {}


def check_defaults(row: dict, earlier: dict) -> None:
    """Refuse to stand new rows beside those of other code or data, which show in the defaults' score.

    Raises
    ------
    InputError : the defaults score other than they did when the kept rows were made
    """
    if row != earlier:
        raise InputError(
            f"{RESULTS}: its defaults score {earlier['uar']}, now {row['uar']}, so its rows are of other code or data. "
            f"Run all rows: leave out --row."
        )


def about(params: Params) -> dict:
    """Corpus, split, seed, date and versions of the rows."""
    return {
        "corpus": params.corpus.dir,
        "protocol": params.split.protocol,
        "seed": params.networks["cnn1d"].seed,
        "date": date.today().isoformat(),
        "versions": versions(),
    }


def ablate() -> str:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--row", action="append", choices=ROWS, help="run the defaults and this row, keep the others; may be repeated"
    )
    chosen, params = parser.parse_args().row, load()
    kept = {path: path.read_bytes() for path in (Path("params.yaml"), Path("dvc.lock"))}
    rows, reference = earlier_rows() if chosen else {}, None
    try:
        for name in ["defaults", *(name for name in ROWS if name != "defaults" and name in (chosen or ROWS))]:
            artifacts.write_bytes("params.yaml", kept[Path("params.yaml")])
            row, decided = measure(name, reference)
            if name == "defaults":
                reference = decided
                check_defaults(row, rows.get(name, row))
            rows[name] = row
            print(f"ablate: {name}: validation UAR {row['uar']:.3f}", flush=True)
            table = [rows[name] for name in ROWS if name in rows]
            artifacts.write_json(RESULTS, {"common": [*SHORT], "about": about(params), "rows": table})
    finally:
        for path, content in kept.items():
            artifacts.write_bytes(path, content)
        subprocess.run(["dvc", "checkout", "--quiet"])
    return f"{len(rows)} rows"


if __name__ == "__main__":
    run(ablate)
