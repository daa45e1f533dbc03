"""What a corpus says of a clip, in the terms of CREMA-D's index, and how a corpus is described."""

from collections.abc import Callable
from dataclasses import dataclass

from ser.emotions import EMOTIONS
from ser.errors import InputError

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
class ClipName:
    """What a CREMA-D file name says, ``1001_DFA_ANG_XX``: actor, sentence, emotion, level."""

    clip: str
    actor: int
    sentence: str
    emotion: str
    level: str


@dataclass(frozen=True)
class Utterance:
    """A clip by its name or its row, and the sex of its speaker where that is known."""

    name: ClipName
    sex: str | None = None


@dataclass(frozen=True)
class Format:
    """How a corpus lies on the disk: the folder of its recordings, how their names are read, its licence."""

    parse: Callable[[str], Utterance] | None  # ``None``: a table says it
    audio_folder: str
    name: str
    licence: str


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
