"""Gain that moves inside a recording: automatic gain control, limiters and noise gates.

Each follows the level of the recording in blocks of some milliseconds, quickly upwards and slowly downwards, and sets
the gain by it (Giannoulis, Massberg and Reiss 2012, Digital Dynamic Range Compressor Design, JAES 60(6)).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.audio.level import loudest_power

KINDS = ("agc", "limiter", "gate")
BLOCK_SECONDS = 0.005
FLOOR_DB = -80.0  # of a block, below the loudest frames
GATE_DB = -25.0  # below the loudest frames, a gate closes
LIMITED_SHARE = 0.5  # of ``strength_db``: how far below the loudest frames a limiter begins


@dataclass(frozen=True)
class GainControl:
    """What sets the gain.

    Attributes
    ----------
    kind : ``"agc"`` raises what is quieter than the loudest frames, ``"limiter"`` lowers what is louder than a
        threshold to it, ``"gate"`` lowers what is ``GATE_DB`` below the loudest frames
    strength_db : largest change of the gain
    attack_seconds, release_seconds : until the followed level has risen or fallen by two thirds
    """

    kind: str
    strength_db: float
    attack_seconds: float
    release_seconds: float


def draw_gain_control(rng: np.random.Generator) -> GainControl:
    """Draw a gain control as phones, browsers and messengers have them."""
    return GainControl(
        kind=KINDS[int(rng.integers(len(KINDS)))],
        strength_db=float(rng.uniform(5, 25)),
        attack_seconds=float(np.exp(rng.uniform(np.log(0.002), np.log(0.05)))),
        release_seconds=float(np.exp(rng.uniform(np.log(0.05), np.log(1.5)))),
    )


def control_gain(signal: NDArray[np.float32], control: GainControl, *, sample_rate: int) -> NDArray[np.float32]:
    """Apply a gain that follows the signal's level.

    Parameters
    ----------
    signal : shape ``(samples,)``; silence stays as it is
    sample_rate : Hz
    """
    loudest = loudest_power(signal)
    if loudest <= 0:
        return signal
    block = max(1, round(BLOCK_SECONDS * sample_rate))
    padded = np.pad(signal, (0, -len(signal) % block)).reshape(-1, block)
    power = np.mean(np.square(padded, dtype=np.float64), axis=1) / loudest
    level_db = np.maximum(10 * np.log10(np.maximum(power, 1e-12)), FLOOR_DB)
    followed_db = follow(level_db, control, block_seconds=block / sample_rate)
    gain_db = gain_for(followed_db, control)
    gain = np.interp(np.arange(len(signal)), (np.arange(len(padded)) + 0.5) * block, 10 ** (gain_db / 20))
    return (signal * gain).astype(np.float32)


def follow(level_db: NDArray[np.float64], control: GainControl, *, block_seconds: float) -> NDArray[np.float64]:
    """The level as a gain control follows it, block by block, shape ``(blocks,)``."""
    attack, release = (
        1 - np.exp(-block_seconds / seconds) for seconds in (control.attack_seconds, control.release_seconds)
    )
    followed, current = [], float(level_db[0])
    for level in level_db.tolist():
        current += (attack if level > current else release) * (level - current)
        followed.append(current)
    return np.array(followed)


def gain_for(level_db: NDArray[np.float64], control: GainControl) -> NDArray[np.float64]:
    """The gain in dB at levels in dB relative to the loudest frames."""
    if control.kind == "agc":
        return np.clip(-level_db, 0, control.strength_db)
    if control.kind == "limiter":
        return np.minimum(0, -LIMITED_SHARE * control.strength_db - level_db)
    return np.clip(2 * (level_db - GATE_DB), -control.strength_db, 0)
