"""Dividing clips into training, validation and test."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ser.errors import InputError
from ser.settings import Block, Seed, Share

SUBSETS = ("train", "validation", "test")
FIRST_ACTOR, LAST_ACTOR = 1001, 1091


def _actors(text: str) -> tuple[int, ...]:
    """Read ``"1001-1018 1020"`` as actor numbers."""
    numbers: list[int] = []
    for part in text.split():
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return tuple(numbers)


# Public actor-disjoint partitions of CREMA-D: the actors of validation and of test, the rest train.
PUBLISHED = {
    "audeering": (
        _actors("1049 1053-1055 1058 1059 1061-1068 1070 1075 1080 1085"),
        _actors("1048 1069 1071 1074 1076-1079 1082-1084 1086-1091"),
    ),
    "tfds": (
        _actors("1015 1020 1021 1030 1050 1070 1079 1089 1090"),
        _actors("1010 1013 1022 1026 1037 1038 1040 1045 1047 1048 1059 1065 1066 1068 1071 1073 1084 1086 1088"),
    ),
    "evar": (
        _actors("1009 1011 1022 1034 1039 1047 1066 1070 1082"),
        _actors("1001 1004 1017 1019 1020 1025 1026 1029 1033 1035 1042 1044 1050 1053 1056 1058 1060 1069 1083"),
    ),
    "nkululeko": (
        _actors("1005 1009 1013 1026 1030 1032 1036 1038 1041 1048 1051 1052 1069 1088 1089"),
        _actors("1004 1006 1007 1011 1016 1018 1029 1045 1049 1050 1055 1056 1058 1061 1066 1070 1074 1077 1091"),
    ),
}

# The five folds of EMO-SUPERB: five blocks of actors; fold k tests block k and validates on the next.
EMO_SUPERB_BLOCKS = tuple(map(_actors, ("1001-1018", "1019-1036", "1037-1054", "1055-1072", "1073-1091")))

PUBLISHED_PROTOCOLS = (*PUBLISHED, "emo-superb")
PROTOCOLS = ("speaker", *PUBLISHED_PROTOCOLS, "clip")
LEAKING_PROTOCOLS = ("clip",)


class Split(Block):
    """Which clips train, validate and test."""

    protocol: Literal["speaker", "audeering", "tfds", "evar", "nkululeko", "emo-superb", "clip"]
    fold: Annotated[int, Field(ge=1, le=5)]
    train_fraction: Share
    validation_fraction: Share
    test_fraction: Share
    seed: Seed

    @model_validator(mode="after")
    def _sum(self):
        total = self.train_fraction + self.validation_fraction + self.test_fraction
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train_fraction, validation_fraction and test_fraction sum to {total:g}, not to 1")
        return self

    def fractions(self) -> dict[str, float]:
        """The share of each subset."""
        return {
            "train": self.train_fraction,
            "validation": self.validation_fraction,
            "test": self.test_fraction,
        }


def divide(
    clips: list[str],
    actors: NDArray[np.int64],
    emotions: list[str],
    sexes: list[str | None],
    settings: Split,
) -> list[str]:
    """Name the subset of every clip.

    Parameters
    ----------
    clips, actors, emotions, sexes : of every clip, in one order; a sex may be unknown

    Returns
    -------
    one of ``SUBSETS`` for each clip

    Raises
    ------
    InputError : unknown protocol or fold; too few actors or clips; an actor that a published
        partition does not know; a subset left empty
    """
    rng, protocol = np.random.default_rng(settings.seed), settings.protocol
    if protocol == "clip":
        subsets = _divide_clips(clips, emotions, settings.fractions(), rng)
    elif protocol == "speaker":
        sex_of = dict(zip(actors.tolist(), sexes, strict=True))
        subset_of = _divide_actors(sex_of, settings.fractions(), rng)
        subsets = [subset_of[actor] for actor in actors.tolist()]
    else:
        subset_of = published_partition(protocol, settings.fold)
        strangers = sorted(set(actors.tolist()) - set(subset_of))
        if strangers:
            raise InputError(
                f"split.protocol {protocol!r} is a partition of CREMA-D's actors {FIRST_ACTOR} to {LAST_ACTOR}; "
                f"the corpus also has {strangers[:5]}. Use split.protocol: speaker for another corpus."
            )
        subsets = [subset_of[actor] for actor in actors.tolist()]
    empty = [subset for subset in SUBSETS if subset not in subsets]
    if empty:
        raise InputError(
            f"split.protocol {protocol!r} leaves {' and '.join(empty)} without a clip of this corpus "
            f"({len(set(actors.tolist()))} actors). Use split.protocol: speaker, or a corpus with more actors."
        )
    return subsets


def published_partition(protocol: str, fold: int) -> dict[int, str]:
    """The subset of each of CREMA-D's 91 actors under a published partition."""
    if protocol == "emo-superb":
        if fold not in range(1, len(EMO_SUPERB_BLOCKS) + 1):
            raise InputError(f"split.fold is {fold}: expected 1 to {len(EMO_SUPERB_BLOCKS)}.")
        test = EMO_SUPERB_BLOCKS[fold - 1]
        validation = EMO_SUPERB_BLOCKS[fold % len(EMO_SUPERB_BLOCKS)]
    elif protocol in PUBLISHED:
        validation, test = PUBLISHED[protocol]
    else:
        raise InputError(f"split.protocol is {protocol!r}: expected one of {', '.join(PROTOCOLS)}.")
    subset_of = dict.fromkeys(range(FIRST_ACTOR, LAST_ACTOR + 1), "train")
    return subset_of | dict.fromkeys(validation, "validation") | dict.fromkeys(test, "test")


def _counts(total: int, fractions: dict[str, float]) -> dict[str, int]:
    """Whole parts of ``total`` near the fractions, none empty if ``total`` allows."""
    wanted = {subset: max(1, round(fractions[subset] * total)) for subset in SUBSETS[1:]}
    while sum(wanted.values()) >= total:  # the larger gives, so that one is left to train
        wanted[max(wanted, key=lambda subset: wanted[subset])] -= 1
    return {"train": total - sum(wanted.values()), **wanted}


def _divide_actors(
    sex_of: dict[int, str | None], fractions: dict[str, float], rng: np.random.Generator
) -> dict[int, str]:
    """Draw actors for each subset, alternating between the sexes in proportion to their numbers."""
    if len(sex_of) < len(SUBSETS):
        raise InputError(
            f"{len(sex_of)} actors cannot be divided into {len(SUBSETS)} subsets that share none: "
            f"the corpus needs at least {len(SUBSETS)} actors, or split.protocol: clip, which leaks."
        )
    # Rank every actor by the quantile within its own sex: any stretch of the ranking is balanced.
    rank: dict[int, tuple[float, str]] = {}
    for sex in sorted({str(sex) for sex in sex_of.values()}):
        group = rng.permutation([actor for actor in sorted(sex_of) if str(sex_of[actor]) == sex])
        rank |= {int(actor): ((i + 0.5) / len(group), sex) for i, actor in enumerate(group)}
    order = sorted(rank, key=lambda actor: rank[actor])
    counts = _counts(len(order), fractions)
    subsets = [subset for subset in ("test", "validation", "train") for _ in range(counts[subset])]
    return dict(zip(order, subsets, strict=True))


def _divide_clips(
    clips: list[str], emotions: list[str], fractions: dict[str, float], rng: np.random.Generator
) -> list[str]:
    """Draw clips for each subset within each emotion, actors regardless."""
    subset_of: dict[str, str] = {}
    for emotion in sorted(set(emotions)):
        group = [clip for clip, other in zip(clips, emotions, strict=True) if other == emotion]
        if len(group) < len(SUBSETS):
            raise InputError(f"{len(group)} clips of {emotion} cannot be divided into {len(SUBSETS)} subsets.")
        counts = _counts(len(group), fractions)
        subsets = [subset for subset in SUBSETS for _ in range(counts[subset])]
        subset_of |= dict(zip(rng.permutation(sorted(group)).tolist(), subsets, strict=True))
    return [subset_of[clip] for clip in clips]
