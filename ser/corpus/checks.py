"""The checks that a clip must pass."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from ser.errors import InputError

MAX_PEAK = 64.0  # times full scale; float files above it hold integers, not sound


def check_samples(
    samples: NDArray[np.float32], sample_rate: int, *, min_duration_seconds: float, max_duration_seconds: float
) -> None:
    """Refuse a recording that no emotion can be read from.

    Parameters
    ----------
    samples : shape ``(samples, channels)``

    Raises
    ------
    InputError : NaN, infinite or far too large samples, digital silence, too short, too long
    """
    duration_seconds = len(samples) / sample_rate
    if duration_seconds < min_duration_seconds:
        raise InputError(
            f"too short: {duration_seconds:.3f} s, below corpus.min_duration_seconds {min_duration_seconds}"
        )
    if duration_seconds > max_duration_seconds:
        raise InputError(
            f"too long: {duration_seconds:.1f} s, above corpus.max_duration_seconds {max_duration_seconds}"
        )
    check_values(samples)
    if not np.any(samples):
        raise InputError("digital silence: every sample is 0")


def check_values(samples: NDArray[np.float32]) -> None:
    """Refuse samples ``(samples, channels)`` that are no numbers, or no sound at full scale 1, by ``InputError``."""
    peak = np.abs(samples).max(initial=0)
    if not np.isfinite(peak):
        raise InputError(f"{np.count_nonzero(~np.isfinite(samples))} samples are NaN or infinite")
    if peak > MAX_PEAK:
        raise InputError(f"samples up to {peak:.4g} times full scale: divide them, so that full scale is 1")


def fingerprint(samples: NDArray[np.float32], sample_rate: int) -> str:
    """SHA-256 of the decoded samples and their rate: equal sound in any lossless container."""
    digest = hashlib.sha256(f"{sample_rate} {samples.shape[1]}".encode())
    digest.update(np.ascontiguousarray(samples, dtype="<f4").data)
    return digest.hexdigest()


def find_contradictions(clips: list[dict]) -> dict[str, str]:
    """Clips whose sound another clip has as well, with the reason to reject them.

    Byte-identical sound under two labels says nothing of either: both go. Under one label, the
    first by name stays.

    A clip under two endings stays once as well.

    Parameters
    ----------
    clips : dicts with ``file``, ``clip``, ``emotion`` and ``fingerprint``

    Returns
    -------
    the reason for each ``file``
    """
    same: dict[str, list[dict]] = {}
    named: dict[str, str] = {}
    reasons = {}
    for clip in sorted(clips, key=lambda clip: clip["file"]):
        first = named.setdefault(clip["clip"], clip["file"])
        if first != clip["file"]:
            reasons[clip["file"]] = f"the same clip as {first} under another ending"
        else:
            same.setdefault(clip["fingerprint"], []).append(clip)
    for group in same.values():
        if len({clip["emotion"] for clip in group}) > 1:
            names = ", ".join(clip["clip"] for clip in group)
            reasons |= {clip["file"]: f"the same sound under two labels: {names}" for clip in group}
        else:
            reasons |= {clip["file"]: f"the same sound as {group[0]['clip']}" for clip in group[1:]}
    return reasons
