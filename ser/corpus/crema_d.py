"""CREMA-D: its names and its tables. Cao, Cooper, Keutmann, Gur, Nenkova and Verma (2014), IEEE TAC 5(4)."""

from pathlib import PurePath

from ser.corpus.clips import ClipName, Format, Utterance
from ser.emotions import EMOTION_OF_CODE, EMOTION_OF_VOTE, EMOTIONS
from ser.errors import InputError

SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
LEVELS = ("LO", "MD", "HI", "XX")
VOICE_ONLY_IDS = range(100001, 200001)  # rows of tabulatedVotes.csv; 2..... saw the face, 3..... both


def parse_name(path: str) -> ClipName:
    """Read a clip's name.

    Raises
    ------
    InputError : the name does not have CREMA-D's four parts, or one of them is unknown
    """
    stem = PurePath(path).stem
    parts = stem.split("_")
    if len(parts) != 4 or not (parts[0].isascii() and parts[0].isdecimal()):
        raise InputError(f"name {stem!r} is not CREMA-D's ACTOR_SENTENCE_EMOTION_LEVEL, such as 1001_DFA_ANG_XX")
    actor, sentence, code, level = parts
    for part, value, known in (
        ("sentence", sentence, SENTENCES),
        ("emotion", code, tuple(EMOTION_OF_CODE)),
        ("level", level, LEVELS),
    ):
        if value not in known:
            raise InputError(f"unknown {part} {value!r}; expected one of {', '.join(known)}")
    return ClipName(stem, int(actor), sentence, EMOTION_OF_CODE[code], level)


def parse_crema_d(path: str) -> Utterance:
    """CREMA-D's ``1001_DFA_ANG_XX``; the sex is in a table of its own."""
    return Utterance(parse_name(path))


def listener_votes(rows: list[dict]) -> dict[str, dict[str, int]]:
    """Votes of the voice-only listeners for each clip, by CREMA-D's own emotions.

    Parameters
    ----------
    rows : of ``processedResults/tabulatedVotes.csv``
    """
    column = {emotion: code for code, emotion in EMOTION_OF_VOTE.items()}
    try:
        return {
            row["fileName"]: {emotion: int(row[column[emotion]]) for emotion in EMOTIONS}
            for row in rows
            if int(row[""]) in VOICE_ONLY_IDS
        }
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"processedResults/tabulatedVotes.csv: {error!r}; expected the columns '', A, D, F, H, N, S and fileName, "
            f"with whole numbers. Get the file again, or remove it: it is optional."
        ) from error


def demographics(rows: list[dict]) -> dict[int, dict]:
    """Age, sex, race and ethnicity of each actor.

    Parameters
    ----------
    rows : of ``VideoDemographics.csv``
    """
    try:
        return {
            int(row["ActorID"]): {
                "age": int(row["Age"]) if row["Age"].strip() else None,
                "sex": row["Sex"].lower(),
                "race": row["Race"],
                "ethnicity": row["Ethnicity"],
            }
            for row in rows
        }
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"VideoDemographics.csv: {error!r}; expected the columns ActorID, Age, Sex, Race and Ethnicity. "
            f"Get the file again, or remove it: it is optional."
        ) from error


FORMAT = Format(
    "AudioWAV",
    "CREMA-D (Cao, Cooper, Keutmann, Gur, Nenkova and Verma, 2014)",
    "trained on CREMA-D, which is made available under the Open Database License 1.0, its contents under the "
    "Database Contents License 1.0: https://github.com/CheyneyComputerScience/CREMA-D",
    parse_crema_d,
)
