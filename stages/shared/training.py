"""What both training stages do: read, train resumably, write."""

from pathlib import Path

import numpy as np

from ser import artifacts
from ser.corpus.leaks import check_split
from ser.errors import InputError
from ser.networks.network import Network
from ser.params import load
from ser.training.checkpoint import Checkpoint, run_key
from ser.training.data import Clips, Copies
from ser.training.train import Features, train


def read_features(network: Network) -> Features:
    """The array that a network reads, opened as a memory map, and its columns."""
    return Features(artifacts.open_array(network.features_path), artifacts.read_csv(network.columns_path))


def read_clips() -> Clips:
    """Index, division and copies, as the stages before wrote them."""
    params, clips = load(), artifacts.read_parquet("data/clips.parquet")
    split = artifacts.read_parquet("data/split.parquet")
    copies = artifacts.read_parquet("data/augmented.parquet")
    if clips["clip"].tolist() != split["clip"].tolist():
        raise InputError(
            "data/split.parquet and data/clips.parquet list other clips. 'dvc repro --force split' puts it right."
        )
    check_split(
        clips["clip"].tolist(),
        clips["actor"].tolist(),
        clips["fingerprint"].tolist(),
        split["subset"].tolist(),
        protocol=params.split.protocol,
    )
    kinds = [
        f"{transform} {value:g}" if transform == "device" else transform
        for transform, value in zip(copies["transform"], copies["value"], strict=True)
    ]
    return Clips(
        emotions=params.corpus.emotions,
        labels=np.array([params.corpus.emotions.index(emotion) for emotion in clips["emotion"]]),
        actors=clips["actor"].to_numpy(),
        votes=clips[[f"votes_{emotion}" for emotion in params.corpus.emotions]].to_numpy(),
        subsets=split["subset"].tolist(),
        copies=Copies(copies["source_row"].to_numpy(), kinds),
    )


def train_stage(network: Network) -> str:
    """Train a network and write its model and learning curves."""
    params, clips = load(), read_clips()
    deciding = params.training.model_dump_json() + network.settings_of(params).model_dump_json()
    key = run_key(network.name, deciding, ",".join(clips.subsets), artifacts.hash_file(network.features_path))
    checkpoint = Checkpoint(Path("models") / f".{network.name}.npz", key)
    model, history = train(
        network,
        read_features(network),
        clips,
        params,
        progress=checkpoint.read(),
        save=checkpoint.write,
        report=lambda line: print(line, flush=True),
    )
    artifacts.write_model(f"models/{network.name}.keras", model)
    artifacts.write_csv(f"metrics/{network.name}_history.csv", history, columns=list(history[0]))
    checkpoint.remove()
    best = max(history, key=lambda row: row["validation_uar"])
    return f"{len(history)} epochs, best {best['epoch']} with validation UAR {best['validation_uar']:.3f}"
