"""What a corpus says of a clip, in the terms of CREMA-D's index, and how a corpus is described."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ser.emotions import EMOTIONS
from ser.errors import InputError

# Words of labels for the six emotions, unless ``corpus.labels`` gives words of its own.
SYNONYMS = {
    **{emotion: emotion for emotion in EMOTIONS},
    **{"angry": "anger", "disgusted": "disgust", "fearful": "fear", "afraid": "fear", "happy": "happiness"},
    **{"joy": "happiness", "sad": "sadness"},
}


class OtherEmotion(InputError):
    """A clip whose label names none of the emotions that are told apart: left out, and no fault of the corpus."""

    def __init__(self, label: str, emotions: Sequence[str]):
        super().__init__(f"emotion {label!r} is none of {', '.join(emotions)}")
        self.label, self.emotions = label, emotions

    def __reduce__(self):
        return OtherEmotion, (self.label, self.emotions)


@dataclass(frozen=True)
class ClipName:
    """What a CREMA-D file name says, ``1001_DFA_ANG_XX``: actor, sentence, emotion, level.

    The emotion is in the corpus's own word until the corpus is listed; see ``ser.corpus.listing``.
    """

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
    """How a corpus lies on the disk.

    Attributes
    ----------
    audio_folder : the folder of its recordings below the corpus's own, or empty
    name, licence : of the corpus, for what is trained on it
    parse : what a recording's path says of it; ``None`` where a table says it
    rows : of that table in a corpus's folder, see ``ser.corpus.table``
    """

    audio_folder: str
    name: str
    licence: str
    parse: Callable[[str], Utterance] | None = None
    rows: Callable[[Path], list[dict]] | None = None


def words_of(labels: Mapping[str, str] | None) -> dict[str, str]:
    """The emotion that each word of a corpus names.

    Parameters
    ----------
    labels : as ``corpus.labels`` has them; ``None`` for CREMA-D's six emotions and their synonyms
    """
    if labels is None:
        return SYNONYMS
    return {emotion: emotion for emotion in labels.values()} | {
        word.strip().lower(): emotion for word, emotion in labels.items()
    }


def emotion_of(word: str, words: Mapping[str, str]) -> str:
    """The emotion that a label's word names.

    Raises
    ------
    OtherEmotion : none
    """
    found = words.get(word.strip().lower())
    if found is None:
        raise OtherEmotion(word, sorted(set(words.values())))
    return found
