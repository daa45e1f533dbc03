"""Scores under conditions: how far the UAR falls, how many answers stay, and how sure they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.audio.conditions import ENROLMENT, MICROPHONE, SER_TESTS, Condition
from ser.scoring.scores import (
    actor_confusions,
    bootstrap,
    confusion,
    interval,
    rounded,
    unweighted_average_recall,
)

COLUMNS = [
    "condition",
    "family",
    "clips",
    "unanswered",
    "uar",
    "uar_low",
    "uar_high",
    "change",
    "unchanged",
    "entropy_bit",
    "least_change",
    "least_unchanged",
    "passed",
    "profile_uar",
    "profile_gain",
    "profile_passed",
]
PROFILES = ("none", "4 clips")  # in data/conditions.parquet
LEAST_GAIN = -0.01  # of the UAR by a profile, under every condition

ABOUT = ["condition", "family", "least_change", "least_unchanged"]  # columns of data/conditions.parquet
AS_RECORDED = Condition("as recorded", "", lambda recording: (recording.signal, recording.sample_rate))


def condition_rows(
    conditions: Sequence[Condition],
    given: NDArray[np.float32],
    actual: NDArray[np.int64],
    actors: NDArray[np.int64],
    *,
    bootstrap_samples: int,
    seed: int,
) -> list[dict]:
    """A row in ``COLUMNS`` for each condition, and one for the mean of the microphones.

    Parameters
    ----------
    conditions : the first is ``AS_RECORDED``
    given : probabilities of the same clips under each, without and with a profile, shape
        ``(conditions, 2, clips, emotions)``; see ``condition_row``
    """
    scored = {"bootstrap_samples": bootstrap_samples, "seed": seed}
    rows = [
        condition_row(condition, given[0, 0], plain, actual, actors, **scored) | profile_columns(plain, known, actual)
        for condition, (plain, known) in zip(conditions, given, strict=True)
    ]
    return [*rows, microphone_row(rows)] if any(one.family == MICROPHONE for one in conditions) else rows


def condition_row(
    condition: Condition,
    clean: NDArray[np.float32],
    given: NDArray[np.float32],
    actual: NDArray[np.int64],
    actors: NDArray[np.int64],
    *,
    bootstrap_samples: int,
    seed: int,
) -> dict:
    """A row in ``COLUMNS``.

    Parameters
    ----------
    clean, given : probabilities of the same clips as recorded and under the condition, shape ``(clips, emotions)``,
        not a number where a clip has no answer; such a clip is no longer scored, and counts as changed

    Returns
    -------
    ``change`` is that of the UAR over the clips that are answered in both, ``entropy_bit`` the mean of the answers'
    """
    answered = np.isfinite(given).all(axis=1) & np.isfinite(clean).all(axis=1)
    before, after, true = clean[answered].argmax(axis=1), given[answered].argmax(axis=1), actual[answered]
    row: dict[str, Any] = dict.fromkeys(COLUMNS, "") | {
        "condition": condition.name,
        "family": condition.family,
        "clips": int(answered.sum()),
        "unanswered": int((~answered).sum()),
        "unchanged": rounded(np.sum(before == after) / len(actual)),
        "least_change": "" if condition.least_change is None else condition.least_change,
        "least_unchanged": "" if condition.least_unchanged is None else condition.least_unchanged,
    }
    if not answered.any():
        return row | {"passed": False}
    resampled = bootstrap(
        actor_confusions(true, after, actors[answered], given.shape[1]),
        samples=bootstrap_samples,
        rng=np.random.default_rng(seed),
    )
    was, uar = (unweighted_average_recall(confusion(true, said, given.shape[1])) for said in (before, after))
    row["uar"], row["change"] = rounded(uar), rounded(uar - was)
    row["uar_low"], row["uar_high"] = interval(unweighted_average_recall(resampled))
    shares = np.maximum(given[answered], 1e-12)
    row["entropy_bit"] = rounded(-np.mean(np.sum(shares * np.log2(shares), axis=1)))
    limits = [
        condition.least_change is None or row["change"] >= condition.least_change,
        condition.least_unchanged is None or row["unchanged"] >= condition.least_unchanged,
    ]
    limited = condition.least_change is not None or condition.least_unchanged is not None
    return row | ({"passed": all(limits)} if limited else {})


def profile_columns(plain: NDArray[np.float32], known: NDArray[np.float32], actual: NDArray[np.int64]) -> dict:
    """The UAR with a profile, what the profile gains under the same condition, and whether it does no harm.

    Parameters
    ----------
    plain, known : probabilities ``(clips, emotions)`` without and with a profile, not a number where there is none
    """
    both = np.isfinite(plain).all(axis=1) & np.isfinite(known).all(axis=1)
    if not both.any():
        return {}
    uar = [
        unweighted_average_recall(confusion(actual[both], given[both].argmax(axis=1), given.shape[1]))
        for given in (plain, known)
    ]
    gain = rounded(uar[1] - uar[0])
    return {"profile_uar": rounded(uar[1]), "profile_gain": gain, "profile_passed": gain >= LEAST_GAIN}


def microphone_row(rows: list[dict]) -> dict:
    """The mean over the microphones, as a row."""
    own = [row for row in rows if row["family"] == MICROPHONE]
    means = {
        key: rounded(np.mean([row[key] for row in own if row[key] != ""]))
        for key in ("uar", "change", "unchanged", "entropy_bit", "profile_uar", "profile_gain")
        if any(row[key] != "" for row in own)
    }
    limit = own[0]["least_change"]
    return (
        dict.fromkeys(COLUMNS, "")
        | {"condition": f"mean of {len(own)} microphones", "family": "microphones", "clips": own[0]["clips"]}
        | {"unanswered": sum(row["unanswered"] for row in own), "least_change": limit}
        | means
        | {"passed": means["change"] >= limit, "profile_passed": means.get("profile_gain", 0) >= LEAST_GAIN}
    )


def mean_change(rows: list[dict]) -> float:
    """Mean change of the UAR over the conditions that are neither audEERING's nor a microphone."""
    return _mean(rows, "change")


def mean_profile_gain(rows: list[dict]) -> float:
    """Mean gain of the UAR by a profile over the same conditions."""
    return _mean(rows, "profile_gain")


def _mean(rows: list[dict], key: str) -> float:
    left_out = ("", "microphones", MICROPHONE, SER_TESTS, ENROLMENT)
    values = [row[key] for row in rows if row["family"] not in left_out and row[key] != ""]
    return rounded(np.mean(values)) if values else 0.0
