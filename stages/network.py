"""What both training stages do: read, train resumably, write."""

from pathlib import Path

from ser import io
from ser.emotions import EMOTIONS
from ser.errors import InputError
from ser.experiment import Clips, train
from ser.leaks import check_split
from ser.params import load
from stages.resume import Checkpoint, run_key

FEATURES = {"cnn1d": "data/features_1d.npy", "cnn2d": "data/spectrograms.npy"}


def read_clips() -> Clips:
    """Index, division and copies, as the stages before wrote them."""
    clips, split = io.read_parquet("data/clips.parquet"), io.read_parquet("data/split.parquet")
    copies = io.read_parquet("data/augmented.parquet")
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
    key = run_key(network, params.model_dump_json(), ",".join(clips.subsets), io.hash_file(FEATURES[network]))
    checkpoint = Checkpoint(Path("models") / f".{network}.npz", key)
    model, history = train(
        network,
        io.open_array(FEATURES[network]),
        clips,
        params,
        progress=checkpoint.read(),
        save=checkpoint.write,
        report=lambda line: print(line, flush=True),
    )
    io.write_model(f"models/{network}.keras", model)
    io.write_csv(f"metrics/{network}_history.csv", history, columns=list(history[0]))
    checkpoint.remove()
    best = max(history, key=lambda row: row["validation_uar"])
    return f"{len(history)} epochs, best {best['epoch']} with validation UAR {best['validation_uar']:.3f}"
