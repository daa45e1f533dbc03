"""Index and check the clips of a corpus, and split them."""

import time
from pathlib import Path

import pandas as pd

from ser import artifacts
from ser.audio.reading import read_audio
from ser.corpus.checks import check_samples, find_contradictions, fingerprint
from ser.corpus.clips import OtherEmotion, Utterance, words_of
from ser.corpus.crema_d import demographics, listener_votes
from ser.corpus.formats import FORMATS
from ser.corpus.leaks import check_split
from ser.corpus.listing import list_clips
from ser.corpus.partitions import Split, divide
from ser.errors import InputError
from ser.parallel import map_chunks
from ser.params import load
from stages.shared.console import progress, rate, run

CHUNK = 64


def split() -> str:
    start, params = time.perf_counter(), load()
    folder, layout = artifacts.location(params.corpus.dir), FORMATS[params.corpus.format]
    audio, words = folder / layout.audio_folder, words_of(params.corpus.labels)
    listing = list_clips(folder, layout, words)
    total = len(listing.utterances) + len(listing.left_out) + len(listing.misnamed)
    votes = optional_table(folder / "processedResults" / "tabulatedVotes.csv", listener_votes)
    actors = optional_table(folder / "VideoDemographics.csv", demographics)

    def check(named: list[tuple[str, Utterance]]) -> list[dict]:
        return [examine(audio, file, utterance, params.corpus) for file, utterance in named]

    checked = [{"file": file, "reason": reason} for file, reason in listing.misnamed.items()]
    named = list(listing.utterances.items())
    for rows in progress(map_chunks(check, named, chunk=CHUNK), total=len(named)):
        checked += rows
    found = [row for row in checked if "reason" not in row]
    twins = find_contradictions(found)
    clips = [row for row in found if row["file"] not in twins]
    faulty = [row for row in checked if "reason" in row]
    faulty += [{"file": row["file"], "reason": twins[row["file"]]} for row in found if row["file"] in twins]
    rejected = faulty + [
        {"file": file, "reason": f"left out: {OtherEmotion(word, params.corpus.emotions)}"}
        for file, word in listing.left_out.items()
    ]
    artifacts.write_csv("data/rejected.csv", sorted(rejected, key=lambda row: row["file"]), columns=["file", "reason"])
    refuse_if_too_many(faulty, total - len(listing.left_out), params.corpus)

    for row in clips:
        unknown = {"age": None, "sex": row.pop("sex"), "race": None, "ethnicity": None}
        row |= actors.get(row["actor"], unknown)
        heard = votes.get(row["clip"], {})
        row |= {
            f"votes_{emotion}": sum(count for word, count in heard.items() if words.get(word) == emotion)
            for emotion in params.corpus.emotions
        }
    table = pd.DataFrame(clips).astype({"age": "Int64"})
    subsets = divide_index(table, params.split)
    artifacts.write_parquet("data/clips.parquet", table)
    artifacts.write_parquet("data/split.parquet", pd.DataFrame({"clip": table["clip"], "subset": subsets}))
    listed = f" of {len(votes)} that tabulatedVotes.csv lists" if len(votes) > total else ""
    shares = ", ".join(f"{subsets.count(name)} {name}" for name in ("train", "validation", "test"))
    return (
        f"{total} clips in{listed}, {len(clips)} out ({shares}), {len(rejected)} rejected (data/rejected.csv), "
        f"{rate(total, start)}"
    )


def divide_index(index: pd.DataFrame, settings: Split) -> list[str]:
    """Subset of every clip of the index under the parameters ``split``, checked for leaks."""
    clips, actors = index["clip"].tolist(), index["actor"]
    subsets = divide(
        clips,
        actors.to_numpy(),
        index["emotion"].tolist(),
        index["sex"].tolist(),
        settings,
    )
    check_split(clips, actors.tolist(), index["fingerprint"].tolist(), subsets, protocol=settings.protocol)
    return subsets


def optional_table(path: Path, parse) -> dict:
    """What ``parse`` makes of a table of the corpus; empty where the corpus has none."""
    return parse(artifacts.read_csv(path)) if path.exists() else {}


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


def refuse_if_too_many(rejected: list[dict], total: int, corpus) -> None:
    """Stop where the corpus is more broken than the user has said to accept; other emotions are no fault.

    Parameters
    ----------
    total : clips of the corpus with one of its emotions
    corpus : the parameters ``corpus``
    """
    if not total:
        raise InputError(
            f"Every clip carries another emotion than {', '.join(corpus.emotions)}. data/rejected.csv lists them; "
            f"corpus.labels says which words name which emotion."
        )
    if len(rejected) > corpus.max_rejected_fraction * total or len(rejected) == total:
        raise InputError(
            f"{len(rejected)} of {total} clips were rejected, more than corpus.max_rejected_fraction "
            f"{corpus.max_rejected_fraction}. data/rejected.csv has the reasons; the first: {rejected[0]['file']}: "
            f"{rejected[0]['reason']}"
        )


if __name__ == "__main__":
    run(split)
