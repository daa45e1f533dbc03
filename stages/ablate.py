"""The ablation table: what each step adds or costs, each row an experiment of DVC.

``python -m stages.ablate`` runs ``dvc exp run train_cnn1d`` once a row under the current ``params.yaml``
and a short training, scores validation, and writes ``results/crema-d/ablation.json``. DVC's run cache
makes a second call cheap. ``params.yaml`` and ``dvc.lock`` end as they were.
"""

import subprocess
from pathlib import Path

import numpy as np

from ser import io
from ser.errors import InputError
from ser.experiment import predict
from ser.params import load
from ser.scores import paired_difference, score
from stages.console import run
from stages.network import FEATURES, read_clips

SHORT = ("train_cnn1d.epochs=15",)
ON_THE_FLY = {
    name: [f"training.on_the_fly.{key}" for key in keys]
    for name, keys in {
        "masks": ["time_masks=0", "mel_masks=0"],
        "mixup": ["mixup_alpha=0"],
        "change of speed": ["max_rate=0"],
        "warp of frequency": ["max_warp=0"],
        "gain": ["max_gain_db=0"],
    }.items()
}
# Each row changes the defaults by these settings.
ROWS = {
    "defaults": [],
    "spectral subtraction": ["preprocess.spectral_subtraction.enabled=true"],
    "silence kept": ["preprocess.remove_silence.where=nowhere"],
    "silence removed everywhere": ["preprocess.remove_silence.where=everywhere"],
    "pre-emphasis": ["preprocess.preemphasis=0.97"],
    "clip normalised": ["preprocess.normalize_audio=true"],
    "copies with noise": ["training.copies=[noise]"],
    "shifted copies": ["training.copies=[shift]"],
    "copies at another pitch": ["training.copies=[pitch]"],
    **{f"no {name}": settings for name, settings in ON_THE_FLY.items()},
    "nothing on the fly": [
        "training.on_the_fly.max_shift_frames=0",
        *(setting for settings in ON_THE_FLY.values() for setting in settings),
    ],
    "soft labels": ["training.soft_labels=0.5"],
    "normalised by speaker": ["training.speaker_normalization=true"],
    "log-mel alone": ["train_cnn1d.families=[log_mel]"],
    "no pitch": ["train_cnn1d.families=[log_mel,energy,entropy_of_energy,zero_crossing_rate]"],
    "MFCC as well": ["train_cnn1d.families=[log_mel,energy,entropy_of_energy,zero_crossing_rate,pitch,mfcc]"],
    "MFCC in place of log-mel": ["train_cnn1d.families=[mfcc,energy,entropy_of_energy,zero_crossing_rate,pitch]"],
}


def run_experiment(name: str, settings: list[str]) -> None:
    """Let DVC run what the settings change, up to the trained 1D network."""
    changes = [argument for setting in settings for argument in ("--set-param", setting)]
    done = subprocess.run(["dvc", "exp", "run", *changes, "train_cnn1d"])
    if done.returncode:
        raise InputError(f"'dvc exp run' of the row {name!r} failed with status {done.returncode}; see above.")


def predict_validation() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, emotion numbers and actors of the validation clips, by the network just trained."""
    params, clips = load(), read_clips()
    held_out = clips.rows("validation")
    features = io.open_array(FEATURES["cnn1d"])
    probabilities = predict("cnn1d", io.read_model("models/cnn1d.keras"), features, clips, params)
    return probabilities[held_out], clips.labels()[held_out], clips.actors[held_out]


def ablate() -> str:
    kept = {path: path.read_bytes() for path in (Path("params.yaml"), Path("dvc.lock"))}
    bootstrap = load().evaluate
    rows: list[dict] = []
    reference = None
    try:
        for name, settings in ROWS.items():
            io.write_bytes("params.yaml", kept[Path("params.yaml")])
            run_experiment(name, [*SHORT, *settings])
            given, actual, actors = predict_validation()
            decided = given.argmax(axis=1)
            reference = decided if reference is None else reference
            options = {"samples": bootstrap.bootstrap_samples, "rng": np.random.default_rng(bootstrap.seed)}
            found = score(
                given, actual, actors, bootstrap_samples=options["samples"], rng=np.random.default_rng(bootstrap.seed)
            )
            rows.append(
                {
                    "row": name,
                    "settings": settings,
                    **{key: found[key] for key in ("uar", "uar_low", "uar_high", "accuracy", "clips", "actors")},
                    "against_defaults": paired_difference(actual, decided, reference, actors, **options),
                }
            )
            print(f"ablate: {name}: validation UAR {found['uar']:.3f}", flush=True)
            io.write_json("results/crema-d/ablation.json", {"common": [*SHORT], "rows": rows})
    finally:
        for path, content in kept.items():
            io.write_bytes(path, content)
        subprocess.run(["dvc", "checkout", "--quiet"])
    return f"{len(rows)} rows"


if __name__ == "__main__":
    run(ablate)
