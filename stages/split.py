"""Index and check the clips of a corpus, and divide them."""

import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from ser import artifacts
from ser.audio.reading import AUDIO_SUFFIXES, read_audio
from ser.corpus.checks import check_samples, find_contradictions, fingerprint
from ser.corpus.clips import OtherEmotion, Utterance
from ser.corpus.crema_d import demographics, listener_votes
from ser.corpus.formats import FORMATS
from ser.corpus.leaks import check_split
from ser.corpus.partitions import divide
from ser.corpus.table import TABLE, table_parser, table_path
from ser.emotions import EMOTIONS
from ser.errors import InputError
from ser.parallel import map_chunks
from ser.params import load
from stages.shared.console import progress, rate, run

CHUNK = 64


def split() -> str:
    start, params = time.perf_counter(), load()
    folder, layout = artifacts.location(params.corpus.dir), FORMATS[params.corpus.format]
    audio = folder / layout.audio_folder
    if layout.parse is None:
        rows = artifacts.read_csv(folder / TABLE)
        parse, names = table_parser(rows), sorted(table_path(row) for row in rows)
    else:
        parse, names = layout.parse, list_files(audio) if layout.audio_folder else list_tree(audio)
    votes = optional_table(folder / "processedResults" / "tabulatedVotes.csv", listener_votes)
    actors = optional_table(folder / "VideoDemographics.csv", demographics)

    def check(named: list[tuple[str, Utterance]]) -> list[dict]:
        return [examine(audio, file, utterance, params.corpus) for file, utterance in named]

    named, checked = read_names(names, parse)
    for rows in progress(map_chunks(check, named, chunk=CHUNK), total=len(named)):
        checked += rows
    found = [row for row in checked if "reason" not in row]
    twins = find_contradictions(found)
    rejected = [row for row in checked if "reason" in row]
    rejected += [{"file": row["file"], "reason": twins[row["file"]]} for row in found if row["file"] in twins]
    clips = [row for row in found if row["file"] not in twins]
    artifacts.write_csv("data/rejected.csv", sorted(rejected, key=lambda row: row["file"]), columns=["file", "reason"])
    refuse_if_too_many(rejected, len(names), params.corpus.max_rejected_fraction)

    for row in clips:
        unknown = {"age": None, "sex": row.pop("sex"), "race": None, "ethnicity": None}
        row |= actors.get(row["actor"], unknown)
        row |= dict(zip((f"votes_{e}" for e in EMOTIONS), votes.get(row["clip"], [0] * len(EMOTIONS)), strict=True))
    table = pd.DataFrame(clips).astype({"age": "Int64"})
    subsets = divide_index(table, params.split)
    artifacts.write_parquet("data/clips.parquet", table)
    artifacts.write_parquet("data/split.parquet", pd.DataFrame({"clip": table["clip"], "subset": subsets}))
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
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"{folder}: no such folder. corpus.dir must hold AudioWAV/ with the clips; "
            f"README.md, 'Real speech', says how to get CREMA-D."
        ) from error
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror or error}). Check its permissions.") from error
    if not names:
        raise InputError(f"{folder}: holds no file. Was the download finished?")
    return names


def optional_table(path: Path, parse) -> dict:
    """What ``parse`` makes of a table of the corpus; empty where the corpus has none."""
    return parse(artifacts.read_csv(path)) if path.exists() else {}


def list_tree(folder: Path) -> list[str]:
    """Recordings below the folder, by their paths relative to it."""
    names = [path.relative_to(folder).as_posix() for path in artifacts.find_files(folder, AUDIO_SUFFIXES)]
    if not names:
        raise InputError(
            f"{folder}: no such folder, or no recording below it. corpus.dir must hold the corpus that "
            f"corpus.format names; docs/corpora.md says how each lies on the disk."
        )
    return names


def read_names(files: list[str], parse: Callable[[str], Utterance]) -> tuple[list[tuple[str, Utterance]], list[dict]]:
    """What the names of the files say; and the files of whose names nothing can be made, with the reason."""
    named, refused = [], []
    for file in files:
        try:
            if Path(file).suffix.lower() not in AUDIO_SUFFIXES:
                raise InputError(f"no clip by its name: expected one of {' '.join(AUDIO_SUFFIXES)}")
            named.append((file, parse(file)))
        except OtherEmotion as error:
            refused.append({"file": file, "reason": f"left out: {error}"})
        except InputError as error:
            refused.append({"file": file, "reason": str(error)})
    return named, refused


def examine(folder: Path, file: str, utterance: Utterance, limits) -> dict:
    """A row of the index, or the file and the reason why its sound is rejected."""
    path = folder / file
    try:
        samples, sample_rate = read_audio(path)
        check_samples(
            samples,
            sample_rate,
            min_duration_seconds=limits.min_duration_seconds,
            max_duration_seconds=limits.max_duration_seconds,
        )
    except InputError as error:
        return {"file": file, "reason": str(error).removeprefix(f"{path}: ")}
    return vars(utterance.name) | {
        "file": file,
        "sample_rate": sample_rate,
        "channels": samples.shape[1],
        "duration_seconds": round(len(samples) / sample_rate, 4),
        "fingerprint": fingerprint(samples, sample_rate),
        "sex": utterance.sex,
    }


def refuse_if_too_many(rejected: list[dict], total: int, max_fraction: float) -> None:
    """Stop where the corpus is more broken than the user has said to accept; other emotions are no fault."""
    faulty = [row for row in rejected if not row["reason"].startswith("left out")]
    total -= len(rejected) - len(faulty)
    if not total:
        raise InputError("Every clip carries another emotion than the six. data/rejected.csv lists them.")
    if len(faulty) > max_fraction * total or len(faulty) == total:
        raise InputError(
            f"{len(faulty)} of {total} clips were rejected, more than corpus.max_rejected_fraction {max_fraction}. "
            f"data/rejected.csv has the reasons; the first: {faulty[0]['file']}: {faulty[0]['reason']}"
        )


if __name__ == "__main__":
    run(split)
