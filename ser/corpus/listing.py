"""Which files of a folder are clips of a corpus, and what their names, or a table, say of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ser import artifacts
from ser.audio.reading import AUDIO_SUFFIXES
from ser.corpus.clips import Format, OtherEmotion, Utterance, emotion_of
from ser.corpus.table import table_parser, table_path
from ser.errors import InputError


@dataclass(frozen=True)
class Listing:
    """The files of a corpus, by their paths relative to its folder of recordings.

    Attributes
    ----------
    utterances : what is said of each clip, its emotion in the classes that are told apart
    left_out : the word for the emotion of clips that carry another one
    misnamed : why nothing can be made of a file's name
    """

    utterances: dict[str, Utterance] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    misnamed: dict[str, str] = field(default_factory=dict)


def list_clips(folder: Path, layout: Format, words: Mapping[str, str]) -> Listing:
    """The clips of the corpus in a folder.

    Parameters
    ----------
    words : the emotion that each word of the corpus names; see ``ser.corpus.clips.words_of``

    Raises
    ------
    InputError : no such folder, no file in it, or a table that cannot be used
    """
    audio = folder / layout.audio_folder
    if layout.rows is not None:
        rows = layout.rows(folder)
        return read_names(sorted(table_path(row) for row in rows), table_parser(rows), words)
    assert layout.parse is not None
    return read_names(list_files(audio) if layout.audio_folder else list_tree(audio), layout.parse, words)


def read_names(files: list[str], parse: Callable[[str], Utterance], words: Mapping[str, str]) -> Listing:
    """What the names of some files say."""
    found = Listing()
    for file in files:
        try:
            if Path(file).suffix.lower() not in AUDIO_SUFFIXES:
                raise InputError(f"no clip by its name: expected one of {' '.join(AUDIO_SUFFIXES)}")
            said = parse(file)
            found.utterances[file] = replace(
                said, name=replace(said.name, emotion=emotion_of(said.name.emotion, words))
            )
        except OtherEmotion as error:
            found.left_out[file] = error.label
        except InputError as error:
            found.misnamed[file] = str(error)
    return found


def list_files(folder: Path) -> list[str]:
    """Names of the files in the corpus's audio folder, sorted; hidden ones are no clips."""
    try:
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"{folder}: no such folder. The corpus must be the folder that holds {folder.name}/ with the clips; "
            f"docs/pipeline.md, 'Real speech', says how to get CREMA-D."
        ) from error
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror or error}). Check its permissions.") from error
    if not names:
        raise InputError(f"{folder}: holds no file. Was the download finished?")
    return names


def list_tree(folder: Path) -> list[str]:
    """Recordings below the folder, by their paths relative to it."""
    names = [path.relative_to(folder).as_posix() for path in artifacts.find_files(folder, AUDIO_SUFFIXES)]
    if not names:
        raise InputError(
            f"{folder}: no such folder, or no recording below it; docs/corpora.md says how each corpus lies on "
            f"the disk."
        )
    return names
