"""EmoDB: Burkhardt et al. (2005), A Database of German Emotional Speech, Interspeech."""

import re
from pathlib import PurePath

from ser.corpus.clips import ClipName, Format, Utterance
from ser.errors import InputError

WORD_OF_LETTER = dict(
    zip("WEAFLNT", ("anger", "disgust", "fear", "happiness", "boredom", "neutral", "sadness"), strict=True)
)


def parse_emodb(path: str) -> Utterance:
    """``03a01Wa``: speaker, text, the first letter of the emotion's German name, version."""
    stem = PurePath(path).stem
    found = re.fullmatch(r"(\d\d)([ab]\d\d)([A-Z])([a-z])", stem)
    if not found:
        raise InputError(f"name {stem!r} is not EmoDB's speaker, text, emotion and version, such as 03a01Wa")
    letter = found[3]
    emotion = WORD_OF_LETTER.get(letter, letter)
    actor = int(found[1])
    return Utterance(
        ClipName(stem, actor, found[2], emotion, "XX"), "male" if actor in (3, 10, 11, 12, 15) else "female"
    )


FORMAT = Format(
    "", "EmoDB (Burkhardt et al., 2005)", "trained on EmoDB: ask its authors for the terms of use", parse_emodb
)
