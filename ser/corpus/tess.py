"""TESS: Pichora-Fuller and Dupuis (2020), Toronto emotional speech set."""

from pathlib import PurePath

from ser.corpus.clips import ClipName, Format, Utterance
from ser.errors import InputError


def parse_tess(path: str) -> Utterance:
    """``OAF_back_angry``: one of two women, the word, the emotion; ``ps`` is pleasant surprise."""
    stem = PurePath(path).stem
    parts = stem.split("_")
    speakers = {"OAF": 1, "OA": 1, "YAF": 2}  # one file of the corpus says OA
    if len(parts) != 3 or parts[0] not in speakers:
        raise InputError(f"name {stem!r} is not TESS's SPEAKER_word_emotion, such as OAF_back_angry")
    name = ClipName(stem, speakers[parts[0]], parts[1], parts[2], "XX")
    return Utterance(name, "female")


FORMAT = Format("", "TESS (Pichora-Fuller and Dupuis, 2020)", "trained on TESS: CC BY-NC-ND 4.0", parse_tess)
