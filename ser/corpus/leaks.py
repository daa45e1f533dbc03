"""The check that nothing of validation or test reaches training."""

from collections import defaultdict
from collections.abc import Sequence

from ser.corpus.partitions import LEAKING_PROTOCOLS
from ser.errors import InputError


def check_split(
    clips: list[str], actors: list[int], fingerprints: list[str], subsets: list[str], *, protocol: str
) -> None:
    """Refuse a split in which a clip, a sound or an actor is in two subsets.

    Actors may be, under the protocols that say so in their metrics (``LEAKING_PROTOCOLS``).

    Raises
    ------
    InputError : names what leaks
    """
    kinds: dict[str, Sequence] = {"clip": clips, "sound": fingerprints}
    if protocol not in LEAKING_PROTOCOLS:
        kinds["actor"] = actors
    for kind, values in kinds.items():
        subsets_of = defaultdict(set)
        for value, subset in zip(values, subsets, strict=True):
            subsets_of[value].add(subset)
        leaking = [value for value, found in subsets_of.items() if len(found) > 1]
        if leaking:
            shown = ", ".join(f"{value} in {' and '.join(sorted(subsets_of[value]))}" for value in leaking[:3])
            raise InputError(
                f"Leak: {len(leaking)} {kind}(s) in two subsets: {shown}. 'dvc repro --force split' divides the clips "
                "again."
            )


def check_copies(copy_sources: list[int], subsets: list[str]) -> None:
    """Refuse augmented copies of a clip that is not in training.

    Parameters
    ----------
    copy_sources : row in ``clips.parquet`` of each copy that is about to train
    subsets : of each row of ``clips.parquet``
    """
    leaking = [source for source in copy_sources if subsets[source] != "train"]
    if leaking:
        raise InputError(
            f"Leak: {len(leaking)} augmented copies come from clips outside training, such as row {leaking[0]}."
        )
