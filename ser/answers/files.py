"""Answers for files: one for each, whatever happened to the others."""

import io as streams
import os
import re
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process

import numpy as np
from numpy.typing import NDArray

from ser import artifacts
from ser.answers.processors import processors
from ser.answers.profile import Profile
from ser.answers.recognition import Recognition
from ser.answers.recognizer import MOST_CLIPS, Heard, Recognizer
from ser.answers.windows import Asked
from ser.audio.reading import AUDIO_SUFFIXES, Recording, Source, open_recording
from ser.errors import InputError, NoAnswer

STANDARD_INPUT = "-"
FILES_AT_ONCE = 16
MANY_FILES = 2000  # from so many on, two processes make good the second that they take to start
MOST_THREADS, MOST_PROCESSES = 4, 61  # more threads wait for each other; more processes Windows does not wait for
NO_NAME = "an empty name"
# What the command ends with when a file has no answer.
STATUS = {"unreadable": 3, "short": 4, "silent": 5, "no speech": 6}

Blocks = Iterable[NDArray[np.float32]]  # of a recording, each ``(samples, channels)``


@dataclass(frozen=True)
class Outcome:
    """What became of a file: a recognition, or the kind of failure and its message."""

    file: str
    recognition: Recognition | None = None
    kind: str = ""
    message: str = ""


def find_recordings(paths: list[str]) -> list[str]:
    """Files as they are, and the recordings below folders.

    Raises
    ------
    InputError : only folders, and no recording in them
    """
    found: list[str] = []
    for path in paths:
        folder = path not in (STANDARD_INPUT, "") and os.path.isdir(path)
        found += map(str, artifacts.find_files(path, AUDIO_SUFFIXES)) if folder else [path]
    if not found:
        raise InputError(f"{', '.join(paths)}: holds no recording, none with a suffix of {' '.join(AUDIO_SUFFIXES)}.")
    return found


def heard_or_outcome(name: str, listen: Callable[[], Heard]) -> Heard | Outcome:
    """What ``listen`` gives for the recording called ``name``, or why it cannot be used."""
    heard: list[Heard] = []
    failed = outcome_of(name, lambda: heard.append(listen()))
    return heard[0] if heard else failed


def profile_from(recognizer: Recognizer, found: Iterable[Heard | Outcome]) -> tuple[Profile | None, int, list[Outcome]]:
    """A profile from what was heard of one voice on one microphone.

    What comes after ``MOST_CLIPS`` clips is not asked for.

    Returns
    -------
    the profile, or ``None`` where nothing could be used; the number of recordings in it; the outcomes of those that
    could not be used
    """
    failures: list[Outcome] = []
    clips: list[Heard] = []
    for one in found:
        if isinstance(one, Outcome):
            failures.append(one)
            continue
        clips.append(one)
        if sum(len(frames) for frames, _ in clips) >= MOST_CLIPS:
            break
    if not clips:
        return None, 0, failures
    return recognizer.profile_of(clips), len(clips), failures


def calibrate_files(recognizer: Recognizer, paths: list[str]) -> tuple[Profile, int, list[Outcome]]:
    """A profile from files, the number of those in it, and the outcomes of those that could not be used.

    Raises
    ------
    InputError : none could be used
    """

    def heard() -> Iterator[Heard | Outcome]:
        threads = min(processors(), MOST_THREADS)
        for start in range(0, len(paths), threads):  # a few at a time: what comes after enough is not read
            with ThreadPoolExecutor(threads) as pool:
                own = paths[start : start + threads]
                yield from pool.map(lambda path: heard_or_outcome(path, partial(listen_source, recognizer, path)), own)

    profile, used, failures = profile_from(recognizer, heard())
    if profile is None:
        first = f" {failures[0].file}: {failures[0].message}." if failures else ""
        raise InputError(f"None of the {len(failures)} recordings can be used for a profile.{first}")
    return profile, used, failures


def listen_source(recognizer: Recognizer, source: Source) -> Heard:
    """What a profile is made of, from a path or a stream, which is read in blocks; raises as ``recognize_source``."""
    with open_recording(source) as recording:
        return recognizer.listen(recording.blocks(), recording.sample_rate)


def recognize_source(recognizer: Recognizer, source: Source) -> Recognition:
    """The answer for a path or a stream, which is read in blocks.

    Raises
    ------
    InputError : unreadable; ``NoAnswer`` where it holds no answer
    """
    with open_recording(source) as recording:
        return recognizer.recognize_stream(recording.blocks(), recording.sample_rate)


def outcome_of(name: str, answer: Callable[[], Recognition | None]) -> Outcome:
    """What ``answer`` gives for the recording called ``name``, or the kind and the message of its failure."""
    try:
        return Outcome(name, answer())
    except NoAnswer as error:
        return Outcome(name, kind=error.kind, message=str(error))
    except InputError as error:
        message = str(error).removeprefix(f"{name}: ").removeprefix("standard input: ")
        return Outcome(name, kind="unreadable", message=re.sub(r" <[\w.]+ object at [^>]*>", "", message))
    except (OSError, TypeError, ValueError) as error:
        # What the decoder and the system raise for odd names and formats: one file's trouble, not the others'.
        return Outcome(name, kind="unreadable", message=f"cannot be read ({error})")


def recognize_file(recognizer: Recognizer, path: str, *, standard_input: bytes = b"") -> Outcome:
    """The outcome for a path, or for the bytes of standard input where the path is ``-``."""
    (outcome,) = recognize_together(recognizer, [path], standard_input)
    return outcome


def recognize_files(
    recognizer: Recognizer, paths: list[str], *, standard_input: bytes = b"", processes: bool = False
) -> Iterator[Outcome]:
    """The outcome of every path, in order; some short recordings are answered at once, and several workers answer.

    Parameters
    ----------
    processes : answer ``MANY_FILES`` in processes, which do not wait for each other as threads do, and take a second to
        start. Only for commands: a process begins with importing the program that asks for it

    Raises
    ------
    InputError : a process ended by itself
    """
    workers = processors()
    pool: Executor
    if processes and workers > 1 and len(paths) >= MANY_FILES and STANDARD_INPUT not in paths:
        workers = min(workers, MOST_PROCESSES)
        pool, answer = ProcessPoolExecutor(workers, get_context("spawn"), _keep, (recognizer,)), _answer_kept
    else:
        workers = min(workers, MOST_THREADS)
        pool = ThreadPoolExecutor(workers)
        answer = partial(recognize_together, recognizer, standard_input=standard_input)
    at_once = max(1, min(FILES_AT_ONCE, len(paths) // workers))
    ahead: deque[tuple[str, Future[list[Outcome]]]] = deque()
    try:
        for start in range(0, len(paths), at_once):  # memory does not grow with the number of paths
            ahead.append((paths[start], pool.submit(answer, paths[start : start + at_once])))
            if len(ahead) > 2 * workers:
                yield from ahead.popleft()[1].result()
        while ahead:
            yield from ahead[0][1].result()
            ahead.popleft()
    except BrokenProcessPool as error:
        about = ahead[0][0] if ahead else paths[0]
        raise InputError(
            f"A process that answers files ended by itself, at {about} or one of the files behind it. Was there too "
            f"little memory, or a file that a decoder breaks down at? Ask for it by itself."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_kept: list[Recognizer] = []  # of a process that answers files


def _keep(recognizer: Recognizer) -> None:
    """Called in a new process with what it answers with; the process ends with its parent, and by an interrupt."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    recognizer.batches_at_once = 1
    _kept.append(recognizer)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _answer_kept(paths: Sequence[str]) -> list[Outcome]:
    return recognize_together(_kept[0], paths)


def recognize_together(recognizer: Recognizer, paths: Sequence[str], standard_input: bytes = b"") -> list[Outcome]:
    """The outcomes of some paths; the short recordings among them are answered together."""

    def begin(path: str) -> Asked | Recognition:
        if not path:
            raise InputError(NO_NAME)
        return begin_source(recognizer, streams.BytesIO(standard_input) if path == STANDARD_INPUT else path)

    return answer_together(recognizer, [(path, partial(begin, path)) for path in paths])


def begin_source(
    recognizer: Recognizer,
    source: Source,
    blocks_of: Callable[[Recording], Blocks] = lambda opened: opened.blocks(),
    *,
    short_only: bool = False,
) -> Asked | Recognition:
    """A short recording on the way to its answer, or the answer of a long one, whose samples are not kept for others.

    Parameters
    ----------
    blocks_of : an open recording's consecutive parts

    Raises
    ------
    LongRecording : it is long, and ``short_only`` is asked for
    """
    with open_recording(source) as recording:
        asked = recognizer.begin(blocks_of(recording), recording.sample_rate)
        if asked.is_short:
            return asked
        if short_only:
            raise LongRecording
        return answer_alone(recognizer, asked)


class LongRecording(Exception):
    """A recording whose answer would keep others waiting."""


def answer_together(
    recognizer: Recognizer, recordings: Sequence[tuple[str, Callable[[], Asked | Recognition]]]
) -> list[Outcome]:
    """The outcomes of some recordings; those that are only begun are answered together.

    Parameters
    ----------
    recordings : what a message calls each, and what begins it
    """
    waiting: dict[int, Asked] = {}

    def begin(place: int, start: Callable[[], Asked | Recognition]) -> Recognition | None:
        found = start()
        if isinstance(found, Recognition):
            return found
        waiting[place] = found
        return None

    outcomes = [outcome_of(name, partial(begin, place, start)) for place, (name, start) in enumerate(recordings)]
    try:
        answers = recognizer.finish([*waiting.values()]) if waiting else []
        for place, found in zip(waiting, answers, strict=True):
            outcomes[place] = outcome_of(recordings[place][0], partial(answer_of, found))
    except (InputError, OSError, TypeError, ValueError):  # one by one it shows whose it is, and the others are answered
        for place, asked in waiting.items():
            outcomes[place] = outcome_of(recordings[place][0], partial(answer_alone, recognizer, asked))
    return outcomes


def answer_of(found: Recognition | NoAnswer) -> Recognition:
    """An answer, or raises why there is none."""
    if isinstance(found, NoAnswer):
        raise found
    return found


def answer_alone(recognizer: Recognizer, asked: Asked) -> Recognition:
    """The answer for one recording that was begun."""
    return answer_of(recognizer.finish([asked])[0])
