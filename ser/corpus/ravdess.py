"""RAVDESS: Livingstone and Russo (2018), PLOS ONE 13(5)."""

import re
from pathlib import PurePath

from ser.corpus.clips import ClipName, Format, Utterance
from ser.errors import InputError


def parse_ravdess(path: str) -> Utterance:
    """``03-01-06-01-02-01-12``: modality, channel, emotion, intensity, statement, repetition, actor."""
    labels = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
    stem = PurePath(path).stem
    if not re.fullmatch(r"\d\d(-\d\d){6}", stem):
        raise InputError(f"name {stem!r} is not RAVDESS's seven numbers, such as 03-01-06-01-02-01-12")
    _, _, emotion, intensity, statement, _, actor = map(int, stem.split("-"))
    if not 1 <= emotion <= len(labels):
        raise InputError(f"emotion number {emotion:02d} in {stem!r}: expected 01 to {len(labels):02d}")
    name = ClipName(stem, actor, f"{statement:02d}", labels[emotion - 1], f"{intensity:02d}")
    return Utterance(name, "male" if actor % 2 else "female")


FORMAT = Format("", "RAVDESS (Livingstone and Russo, 2018)", "trained on RAVDESS: CC BY-NC-SA 4.0", parse_ravdess)
