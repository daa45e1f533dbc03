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
from ser.corpus.listing import Listing, list_clips
from ser.corpus.partitions import Split, divide
from ser.errors import InputError
from ser.parallel import map_chunks
from ser.params import Corpus, load
from stages.shared.console import progress, rate, run

CHUNK = 64


def split() -> str:
    start, params = time.perf_counter(), load()
    folder, layout = artifacts.location(params.corpus.dir), FORMATS[params.corpus.format]
    listing = list_clips(folder, layout, words_of(params.corpus.labels))
    found, faulty = examine_all(folder / layout.audio_folder, listing, params.corpus)
    rejected = faulty + [
        {"file": file, "reason": f"left out: {OtherEmotion(word, params.corpus.emotions)}"}
        for file, word in listing.left_out.items()
    ]
    artifacts.write_csv("data/rejected.csv", sorted(rejected, key=lambda row: row["file"]), columns=["file", "reason"])
    refuse_if_too_many(faulty, len(listing.utterances) + len(listing.misnamed), params.corpus)

    votes = optional_table(folder / "processedResults" / "tabulatedVotes.csv", listener_votes)
    actors = optional_table(folder / "VideoDemographics.csv", demographics)
    table = index_of(found, actors, votes, params.corpus)
    subsets = divide_index(table, params.split)
    artifacts.write_parquet("data/clips.parquet", table)
    artifacts.write_parquet("data/split.parquet", pd.DataFrame({"clip": table["clip"], "subset": subsets}))
    total = len(listing.utterances) + len(listing.left_out) + len(listing.misnamed)
    listed = f" of {len(votes)} that tabulatedVotes.csv lists" if len(votes) > total else ""
    shares = ", ".join(f"{subsets.count(name)} {name}" for name in ("train", "validation", "test"))
    return (
        f"{total} clips in{listed}, {len(table)} out ({shares}), {len(rejected)} rejected (data/rejected.csv), "
        f"{rate(total, start)}"
    )


def examine_all(audio: Path, listing: Listing, limits: Corpus) -> tuple[list[dict], list[dict]]:
    """A row for each clip that can be used, and the file and the reason of each that cannot."""

    def check(named: list[tuple[str, Utterance]]) -> list[dict]:
        return [examine(audio, file, utterance, limits) for file, utterance in named]

    named = list(listing.utterances.items())
    checked = [row for rows in progress(map_chunks(check, named, chunk=CHUNK), total=len(named)) for row in rows]
    sound = [row for row in checked if "reason" not in row]
    twins = find_contradictions(sound)
    faulty = [{"file": file, "reason": reason} for file, reason in listing.misnamed.items()]
    faulty += [row for row in checked if "reason" in row]
    faulty += [{"file": row["file"], "reason": twins[row["file"]]} for row in sound if row["file"] in twins]
    return [row for row in sound if row["file"] not in twins], faulty


def index_of(clips: list[dict], actors: dict, votes: dict, corpus: Corpus) -> pd.DataFrame:
    """The index: every clip with what is known of its actor, and the listeners' votes for each emotion.

    Parameters
    ----------
    actors, votes : what the corpus's tables say of each actor and of each clip; empty where it has none
    """
    words, rows = words_of(corpus.labels), []
    for clip in clips:
        known = {"age": None, "sex": clip["sex"], "race": None, "ethnicity": None} | actors.get(clip["actor"], {})
        heard = votes.get(clip["clip"], {})
        counted = {
            f"votes_{emotion}": sum(count for word, count in heard.items() if words.get(word) == emotion)
            for emotion in corpus.emotions
        }
        rows.append({key: value for key, value in clip.items() if key != "sex"} | known | counted)
    return pd.DataFrame(rows).astype({"age": "Int64"})


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


def examine(folder: Path, file: str, utterance: Utterance, limits: Corpus) -> dict:
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


def refuse_if_too_many(rejected: list[dict], total: int, corpus: Corpus) -> None:
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
