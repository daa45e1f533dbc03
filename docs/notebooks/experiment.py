# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # An experiment, in a notebook: from the demo corpus to `dvc exp show`
#
# Training is DVC's: `dvc exp run` runs the stages whose inputs or parameters have
# changed, and keeps what came out. This page trains tiny networks on a tiny synthetic
# corpus, in a copy of the project, in about two minutes. Without `SMALL`, and with
# `-S corpus.dir=` and the absolute path of CREMA-D, the same lines train on CREMA-D.

# %%
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

import ser

project = Path(ser.__file__).parent.parent
copy = Path(tempfile.mkdtemp()) / "ser"
subprocess.run(["git", "clone", "--quiet", project, copy], check=True)
environment = os.environ | {
    "PYTHONPATH": str(copy),
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "DVC_NO_ANALYTICS": "1",
}


def run(*command: str) -> str:
    """Run a command in the copy, and give what it prints."""
    return subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, check=True
    ).stdout


SMALL = {
    "demo_corpus.actors": 6,
    "demo_corpus.sentences_per_emotion": 2,
    "preprocess.duration_seconds": 1.0,
    "augment.devices": 1,
    "training.batch_size": 8,
    "training.group_clips": 4,
    "train_cnn1d.width": 16,
    "train_cnn1d.blocks": 2,
    "train_cnn1d.epochs": 3,
    "train_cnn2d.width": 8,
    "train_cnn2d.time_width": 16,
    "train_cnn2d.epochs": 3,
    "conditions.clips": 2,
}


def settings(values: dict) -> list[str]:
    """Parameters for the command."""
    return [
        argument
        for key, value in values.items()
        for argument in ("-S", f"{key}={value}")
    ]


# %% [markdown]
# ## A first run

# %%
print(run("dvc", "exp", "run", "--name", "first", *settings(SMALL))[-600:])

# %% [markdown]
# ## One parameter changed
#
# Only the 1D network's training and what follows from it run again; all else comes
# from the cache.

# %%
printed = run(
    "dvc",
    "exp",
    "run",
    "--name",
    "more-dropout",
    *settings(SMALL | {"train_cnn1d.dropout": 0.5}),
)
[line for line in printed.splitlines() if line.startswith(("Running stage", "Stage"))]

# %% [markdown]
# ## Side by side
#
# `dvc exp show` has the few numbers of `metrics/summary.json`, and every parameter.

# %%
table = pd.read_csv(io.StringIO(run("dvc", "exp", "show", "--csv")))
table[
    ["Experiment", "uar.cnn1d", "uar.cnn2d", "uar.fusion", "train_cnn1d.dropout"]
].dropna(subset="Experiment")

# %% [markdown]
# ## The curves

# %%
history = pd.read_csv(copy / "metrics" / "cnn1d_history.csv", index_col="epoch")
_ = history[["accuracy", "validation_accuracy", "validation_uar"]].plot(
    figsize=(6, 3), ylim=(0, 1)
)

# %% [markdown]
# ## The bundle that was trained
#
# Any recording can be asked about with it; `metrics/report.html` has the report.

# %%
model = ser.load(copy / "models" / "bundle.zip")
clip = next((copy / "data" / "demo" / "AudioWAV").iterdir())
print(model)
model.predict(clip)
