"""What both training stages do: read, train resumably, write."""

from pathlib import Path

from ser import artifacts
from ser.corpus.leaks import check_split
from ser.emotions import EMOTIONS
from ser.errors import InputError
from ser.params import load
from ser.training.checkpoint import Checkpoint, run_key
from ser.training.train import Clips, train

FEATURES = {"cnn1d": "data/features_1d.npy", "cnn2d": "data/spectrograms.npy"}


def read_clips() -> Clips:
    """Index, division and copies, as the stages before wrote them."""
    clips, split = artifacts.read_parquet("data/clips.parquet"), artifacts.read_parquet("data/split.parquet")
    copies = artifacts.read_parquet("data/augmented.parquet")
    if clips["clip"].tolist() != split["clip"].tolist():
        raise InputError(
            "data/split.parquet and data/clips.parquet list other clips. 'dvc repro --force split' mends it."
        )
    check_split(
        clips["clip"].tolist(),
        clips["actor"].tolist(),
        clips["fingerprint"].tolist(),
        split["subset"].tolist(),
        protocol=load().split.protocol,
    )
    return Clips(
        emotions=clips["emotion"].tolist(),
        actors=clips["actor"].to_numpy(),
        votes=clips[[f"votes_{emotion}" for emotion in EMOTIONS]].to_numpy(),
        subsets=split["subset"].tolist(),
        copy_sources=copies["source_row"].to_numpy(),
        copy_transforms=copies["transform"].tolist(),
    )


def train_stage(network: str) -> str:
    """Train ``network`` and write its model and learning curves."""
    params, clips = load(), read_clips()
    key = run_key(network, params.model_dump_json(), ",".join(clips.subsets), artifacts.hash_file(FEATURES[network]))
    checkpoint = Checkpoint(Path("models") / f".{network}.npz", key)
    model, history = train(
        network,
        artifacts.open_array(FEATURES[network]),
        clips,
        params,
        progress=checkpoint.read(),
        save=checkpoint.write,
        report=lambda line: print(line, flush=True),
    )
    artifacts.write_model(f"models/{network}.keras", model)
    artifacts.write_csv(f"metrics/{network}_history.csv", history, columns=list(history[0]))
    checkpoint.remove()
    best = max(history, key=lambda row: row["validation_uar"])
    return f"{len(history)} epochs, best {best['epoch']} with validation UAR {best['validation_uar']:.3f}"
