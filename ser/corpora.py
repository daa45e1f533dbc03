"""Other corpora of acted emotions: what their file names say, in the terms of CREMA-D's index.

RAVDESS: Livingstone and Russo (2018), PLOS ONE 13(5). TESS: Pichora-Fuller and Dupuis (2020),
Toronto emotional speech set. EmoDB: Burkhardt et al. (2005), A Database of German Emotional Speech,
Interspeech. A plain table, ``clips.csv``, covers the rest.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath

from ser.corpus import ClipName, parse_name
from ser.emotions import EMOTIONS
from ser.errors import InputError

TABLE = "clips.csv"
# Words of labels for the six emotions; any other word is an emotion that the networks do not know.
SYNONYMS = {
    **{emotion: emotion for emotion in EMOTIONS},
    **{"angry": "anger", "disgusted": "disgust", "fearful": "fear", "afraid": "fear", "happy": "happiness"},
    **{"joy": "happiness", "sad": "sadness"},
}


class OtherEmotion(InputError):
    """A clip whose ``label`` is none of the six emotions: left out, and no fault of the corpus."""

    def __init__(self, label: str):
        super().__init__(f"emotion {label!r} is none of {', '.join(EMOTIONS)}")
        self.label = label

    def __reduce__(self):
        return OtherEmotion, (self.label,)


@dataclass(frozen=True)
class Utterance:
    """A clip by its name or its row, and the sex of its speaker where that is known."""

    name: ClipName
    sex: str | None = None


def emotion_of(label: str) -> str:
    """The emotion that a label's word names.

    Raises
    ------
    OtherEmotion : none of the six
    """
    word = label.strip().lower()
    if word not in SYNONYMS:
        raise OtherEmotion(label)
    return SYNONYMS[word]


def parse_crema_d(path: str) -> Utterance:
    """CREMA-D's ``1001_DFA_ANG_XX``; the sex is in a table of its own."""
    return Utterance(parse_name(path))


def parse_ravdess(path: str) -> Utterance:
    """``03-01-06-01-02-01-12``: modality, channel, emotion, intensity, statement, repetition, actor."""
    labels = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
    stem = PurePath(path).stem
    if not re.fullmatch(r"\d\d(-\d\d){6}", stem):
        raise InputError(f"name {stem!r} is not RAVDESS's seven numbers, as in 03-01-06-01-02-01-12")
    _, _, emotion, intensity, statement, _, actor = map(int, stem.split("-"))
    if not 1 <= emotion <= len(labels):
        raise InputError(f"emotion number {emotion:02d} in {stem!r}: expected 01 to {len(labels):02d}")
    name = ClipName(stem, actor, f"{statement:02d}", emotion_of(labels[emotion - 1]), f"{intensity:02d}")
    return Utterance(name, "male" if actor % 2 else "female")


def parse_tess(path: str) -> Utterance:
    """``OAF_back_angry``: one of two women, the word, the emotion; ``ps`` is pleasant surprise."""
    stem = PurePath(path).stem
    parts = stem.split("_")
    speakers = {"OAF": 1, "OA": 1, "YAF": 2}  # one file of the corpus says OA
    if len(parts) != 3 or parts[0] not in speakers:
        raise InputError(f"name {stem!r} is not TESS's SPEAKER_word_emotion, as in OAF_back_angry")
    name = ClipName(stem, speakers[parts[0]], parts[1], emotion_of(parts[2]), "XX")
    return Utterance(name, "female")


def parse_emodb(path: str) -> Utterance:
    """``03a01Wa``: speaker, text, the first letter of the emotion's German name, version."""
    labels = {"W": "anger", "E": "disgust", "A": "fear", "F": "happiness", "N": "neutral", "T": "sadness"}
    stem = PurePath(path).stem
    found = re.fullmatch(r"(\d\d)([ab]\d\d)([A-Z])([a-z])", stem)
    if not found:
        raise InputError(f"name {stem!r} is not EmoDB's speaker, text, emotion and version, as in 03a01Wa")
    letter = found[3]
    emotion = emotion_of(labels.get(letter, "boredom" if letter == "L" else letter))
    actor = int(found[1])
    return Utterance(
        ClipName(stem, actor, found[2], emotion, "XX"), "male" if actor in (3, 10, 11, 12, 15) else "female"
    )


def table_parser(rows: list[dict]) -> Callable[[str], Utterance]:
    """A parser for the files that a table lists.

    Parameters
    ----------
    rows : with ``path`` relative to the table, ``speaker`` and ``emotion``; ``sentence`` and ``sex`` are optional

    Raises
    ------
    InputError : a column or a cell is missing, or a path is listed twice
    """
    missing = {"path", "speaker", "emotion"} - set(rows[0] if rows else {})
    if missing:
        raise InputError(f"{TABLE}: lacks the column {' and '.join(sorted(missing))}, or has no row")
    short = [number for number, row in enumerate(rows, start=2) if None in row.values()]
    if short:
        raise InputError(f"{TABLE}: line {short[0]} has fewer cells than the header.")
    numbers = {speaker: number for number, speaker in enumerate(sorted({row["speaker"] for row in rows}), start=1)}
    listed = {table_path(row): row for row in rows}
    if len(listed) < len(rows):
        raise InputError(f"{TABLE}: {len(rows) - len(listed)} paths are listed twice")

    def parse(path: str) -> Utterance:
        if path not in listed:
            raise InputError(f"not listed in {TABLE}")
        row = listed[path]
        stem = path.rsplit(".", 1)[0]
        name = ClipName(stem, numbers[row["speaker"]], row.get("sentence") or "", emotion_of(row["emotion"]), "XX")
        return Utterance(name, (row.get("sex") or "").lower() or None)

    return parse


def table_path(row: dict) -> str:
    """The path in a row of the table; ``./a.wav`` is ``a.wav``."""
    return PurePosixPath(row["path"] or "").as_posix()


@dataclass(frozen=True)
class Format:
    """How a corpus lies on the disk: the folder of its recordings, how their names are read, its licence."""

    parse: Callable[[str], Utterance] | None  # ``None``: a table says it
    audio_folder: str
    name: str
    licence: str


FORMATS = {
    "crema-d": Format(
        parse_crema_d,
        "AudioWAV",
        "CREMA-D (Cao, Cooper, Keutmann, Gur, Nenkova and Verma, 2014)",
        "trained on CREMA-D, which is made available under the Open Database License 1.0, its contents under the "
        "Database Contents License 1.0: https://github.com/CheyneyComputerScience/CREMA-D",
    ),
    "ravdess": Format(
        parse_ravdess, "", "RAVDESS (Livingstone and Russo, 2018)", "trained on RAVDESS: CC BY-NC-SA 4.0"
    ),
    "tess": Format(parse_tess, "", "TESS (Pichora-Fuller and Dupuis, 2020)", "trained on TESS: CC BY-NC-ND 4.0"),
    "emodb": Format(
        parse_emodb, "", "EmoDB (Burkhardt et al., 2005)", "trained on EmoDB: ask its authors for the terms of use"
    ),
    "table": Format(None, "", "a corpus of your own", "the terms of the recordings that it was trained on"),
}
DEMO = {"name": "demo corpus (synthetic)", "licence": "trained on synthetic sounds alone; answers mean nothing"}


def describe(folder: str, format_name: str) -> dict[str, str]:
    """Name and licence of the corpus in a folder, for what is trained on it."""
    if folder.rstrip("/").endswith("data/demo"):
        return DEMO
    return {"name": FORMATS[format_name].name, "licence": FORMATS[format_name].licence}
