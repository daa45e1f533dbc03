"""What a million clips would ask of the layout: the index repeated, the arrays as shards on disk.

Nothing is computed from sound here. The index is a real one, repeated under new names; a shard is a
real file of real size, linked as many times as there would be shards; the one large NPY is a sparse
file of the real length. Page cache and sparse blocks make reading cheaper than it would be from a
disk: what is compared is what the layout costs beside the disk.
"""

import hashlib
import os
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from benchmarks.timing import REPEATS, alternate
from benchmarks.workspace import Workspace
from ser import artifacts
from ser.corpus.checks import find_contradictions
from ser.corpus.partitions import Split, divide
from ser.parallel import SCHEDULER_VARIABLE, map_chunks

CLIPS = 1_000_000
SHARD_ROWS = 4096
BATCH, BATCHES = 64, 50


def simulate(corpus: Path, scratch: Path) -> dict:
    """Seconds and bytes of each part at ``CLIPS`` clips."""
    workspace = Workspace(scratch / "index", {"corpus.dir": str(corpus)})
    workspace.stages("split")
    index = artifacts.read_parquet(workspace.folder / "data" / "clips.parquet")
    workspace.remove()
    return {
        "clips": CLIPS,
        "index": index_at(index, scratch),
        "reading": reading(scratch),
        "one writer, bytes a second": funnel(scratch),
        "hash, bytes a second": hashing(),
    }


def index_at(index: pd.DataFrame, scratch: Path) -> dict:
    """The index of ``CLIPS`` clips: writing, reading, looking for contradictions, dividing."""
    times = -(-CLIPS // len(index))
    table = pd.concat([index] * times, ignore_index=True).iloc[:CLIPS]
    copy = np.arange(CLIPS) // len(index)
    table = table.assign(
        clip=table["clip"] + "_" + copy.astype(str),
        file=copy.astype(str) + "/" + table["file"],
        fingerprint=table["fingerprint"].str[:56] + pd.Series(copy).map("{:08x}".format),
        actor=table["actor"] + 100 * copy,
    )
    found, path = {}, scratch / "clips.parquet"

    def timed(name: str, function):
        start = time.perf_counter()
        result = function()
        found[f"{name}, seconds"] = time.perf_counter() - start
        return result

    timed("write Parquet", lambda: artifacts.write_parquet(path, table))
    read = timed("read Parquet", lambda: artifacts.read_parquet(path))
    rows = read[["file", "clip", "emotion", "fingerprint"]].to_dict("records")
    contradictions = timed("find contradictions", lambda: find_contradictions(rows))
    subsets = timed(
        "divide",
        lambda: divide(
            read["clip"].tolist(),
            read["actor"].to_numpy(),
            read["emotion"].tolist(),
            read["sex"].tolist(),
            Split(protocol="speaker", fold=1, train_fraction=0.6, validation_fraction=0.2, test_fraction=0.2, seed=0),
        ),
    )
    found |= {
        "Parquet bytes": path.stat().st_size,
        "contradictions": len(contradictions),
        "training share": subsets.count("train") / CLIPS,
        "resident bytes": psutil.Process().memory_info().rss,
    }
    return found


def reading(scratch: Path) -> dict:
    """Random batches of spectrograms from one NPY and from shards, and opening each."""
    shape, shards = (SHARD_ROWS, 188, 64), -(-CLIPS // SHARD_ROWS)
    rng = np.random.default_rng(0)
    folder = scratch / "shards"
    folder.mkdir()
    with artifacts.array_writer(folder / "00000.npy", shape=shape, dtype=np.float16) as shard:
        shard.append(rng.standard_normal(shape, dtype=np.float32))
    for number in range(1, shards):
        os.link(folder / "00000.npy", folder / f"{number:05d}.npy")
    whole = np.lib.format.open_memmap(
        scratch / "whole.npy", mode="w+", dtype=np.float16, shape=(shards * SHARD_ROWS, *shape[1:])
    )
    del whole
    batches = [np.sort(rng.integers(0, CLIPS, BATCH)) for _ in range(BATCHES)]

    def open_shards() -> list[np.ndarray]:
        return [artifacts.open_array(folder / f"{number:05d}.npy") for number in range(shards)]

    opened, large = open_shards(), artifacts.open_array(scratch / "whole.npy")

    def from_shards() -> None:
        for rows in batches:
            np.stack([opened[row // SHARD_ROWS][row % SHARD_ROWS] for row in rows])

    def from_one() -> None:
        for rows in batches:
            np.stack([large[row] for row in rows])

    from_shards(), from_one()
    seconds = alternate({"shards": from_shards, "one": from_one, "open": open_shards})
    rate = BATCH * BATCHES
    return {
        "shards": shards,
        "rows a second, shards": rate / float(np.median(seconds["shards"])),
        "rows a second, one NPY": rate / float(np.median(seconds["one"])),
        "opening all shards, seconds": float(np.median(seconds["open"])),
    }


def rows_of_features(numbers: range) -> np.ndarray:
    """A chunk as large as one of ``features_1d``, without the work."""
    return np.zeros((len(numbers), 188, 110), np.float16)


def funnel(scratch: Path) -> float:
    """Bytes a second that workers can hand to the one process that writes an artifact."""
    if os.environ.get(SCHEDULER_VARIABLE):
        raise RuntimeError(f"{SCHEDULER_VARIABLE} is set: this measures local workers.")
    rows, rates = 128 * 100, []
    for _ in range(REPEATS):
        start = time.perf_counter()
        with artifacts.array_writer(scratch / "funnel.npy", shape=(rows, 188, 110), dtype=np.float16) as artifact:
            for chunk in map_chunks(rows_of_features, range(rows), chunk=128):
                artifact.append(chunk)
        rates.append(rows * 188 * 110 * 2 / (time.perf_counter() - start))
    return float(np.median(rates))


def hashing() -> float:
    """Bytes a second of MD5, by which DVC knows a file; one file is hashed by one thread."""
    content = os.urandom(2**26)
    seconds = alternate({"md5": partial(hashlib.md5, content)})["md5"]
    return len(content) / float(np.median(seconds))
