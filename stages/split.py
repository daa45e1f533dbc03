"""Index and check the clips of a corpus, and divide them."""

import os
import time
from pathlib import Path

import pandas as pd

from ser import corpus, io
from ser.emotions import EMOTIONS
from ser.errors import InputError
from ser.leaks import check_split
from ser.parallel import map_chunks
from ser.params import load
from ser.partitions import divide
from stages.console import progress, rate, run

CHUNK = 64


def split() -> str:
    start, params = time.perf_counter(), load()
    folder = Path(params.corpus.dir)
    names = list_files(folder / "AudioWAV")
    votes = optional_table(folder / "processedResults" / "tabulatedVotes.csv", corpus.listener_votes)
    actors = optional_table(folder / "VideoDemographics.csv", corpus.demographics)

    def check(first: int, last: int) -> list[dict]:
        return [examine(folder / "AudioWAV" / name, params.corpus) for name in names[first:last]]

    checked = [row for rows in progress(map_chunks(check, len(names), chunk=CHUNK), total=len(names)) for row in rows]
    found = [row for row in checked if "reason" not in row]
    twins = corpus.find_contradictions(found)
    rejected = [row for row in checked if "reason" in row]
    rejected += [{"file": row["file"], "reason": twins[row["file"]]} for row in found if row["file"] in twins]
    clips = [row for row in found if row["file"] not in twins]
    io.write_csv("data/rejected.csv", sorted(rejected, key=lambda row: row["file"]), columns=["file", "reason"])
    refuse_if_too_many(rejected, len(names), params.corpus.max_rejected_fraction)

    unknown = {"age": None, "sex": None, "race": None, "ethnicity": None}
    for row in clips:
        row |= actors.get(row["actor"], unknown)
        row |= dict(zip((f"votes_{e}" for e in EMOTIONS), votes.get(row["clip"], [0] * len(EMOTIONS)), strict=True))
    table = pd.DataFrame(clips).astype({"age": "Int64"})
    subsets = divide_index(table, params.split)
    io.write_parquet("data/clips.parquet", table)
    io.write_parquet("data/split.parquet", pd.DataFrame({"clip": table["clip"], "subset": subsets}))
    listed = f" of {len(votes)} that tabulatedVotes.csv lists" if len(votes) > len(names) else ""
    shares = ", ".join(f"{subsets.count(name)} {name}" for name in ("train", "validation", "test"))
    return (
        f"{len(names)} clips in{listed}, {len(clips)} out ({shares}), {len(rejected)} rejected (data/rejected.csv), "
        f"{rate(len(names), start)}"
    )


def divide_index(index: pd.DataFrame, settings) -> list[str]:
    """Subset of every clip of the index under the parameters ``split``, checked for leaks."""
    clips, actors = index["clip"].tolist(), index["actor"]
    subsets = divide(
        clips,
        actors.to_numpy(),
        index["emotion"].tolist(),
        index["sex"].tolist(),
        protocol=settings.protocol,
        fold=settings.fold,
        fractions=settings.fractions(),
        seed=settings.seed,
    )
    check_split(clips, actors.tolist(), index["fingerprint"].tolist(), subsets, protocol=settings.protocol)
    return subsets


def list_files(folder: Path) -> list[str]:
    """Names of the files in the corpus's audio folder, sorted; hidden ones are no clips."""
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except FileNotFoundError as error:
        raise InputError(
            f"{folder}: no such folder. corpus.dir must hold AudioWAV/ with the clips; "
            f"README.md, 'Real speech', says how to get CREMA-D."
        ) from error
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}). Check its permissions.") from error
    if not names:
        raise InputError(f"{folder}: holds no file. Was the download finished?")
    return names


def optional_table(path: Path, parse) -> dict:
    """What ``parse`` makes of a table of the corpus; empty where the corpus has none."""
    return parse(io.read_csv(path)) if path.exists() else {}


def examine(path: Path, limits) -> dict:
    """A row of the index, or the file and the reason why it is rejected."""
    try:
        if path.suffix.lower() not in corpus.AUDIO_SUFFIXES:
            raise InputError(f"no clip by its name: expected one of {' '.join(corpus.AUDIO_SUFFIXES)}")
        name = corpus.parse_name(path.name)
        samples, sample_rate = io.read_audio(path)
        corpus.check_samples(
            samples,
            sample_rate,
            min_duration_seconds=limits.min_duration_seconds,
            max_duration_seconds=limits.max_duration_seconds,
        )
    except InputError as error:
        return {"file": path.name, "reason": str(error).removeprefix(f"{path}: ")}
    return vars(name) | {
        "file": path.name,
        "sample_rate": sample_rate,
        "channels": samples.shape[1],
        "duration_seconds": round(len(samples) / sample_rate, 4),
        "fingerprint": corpus.fingerprint(samples, sample_rate),
    }


def refuse_if_too_many(rejected: list[dict], total: int, max_fraction: float) -> None:
    """Stop where the corpus is more broken than the user has said to accept."""
    if len(rejected) > max_fraction * total or len(rejected) == total:
        raise InputError(
            f"{len(rejected)} of {total} clips were rejected, more than corpus.max_rejected_fraction {max_fraction}. "
            f"data/rejected.csv has the reasons; the first: {rejected[0]['file']}: {rejected[0]['reason']}"
        )


if __name__ == "__main__":
    run(split)
