"""The index, the split and the copies, as the stages before wrote them."""

import numpy as np

from ser import artifacts
from ser.corpus.leaks import check_split
from ser.errors import InputError
from ser.params import load
from ser.training.data import Clips, Copies


def read_clips() -> Clips:
    """Every clip, checked for leaks."""
    params, clips = load(), artifacts.read_parquet("data/clips.parquet")
    split = artifacts.read_parquet("data/split.parquet")
    copies = artifacts.read_parquet("data/augmented.parquet")
    if clips["clip"].tolist() != split["clip"].tolist():
        raise InputError(
            "data/split.parquet and data/clips.parquet do not list the same clips. 'dvc repro --force split' puts it "
            "right."
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
