"""Recording from the microphone, where there is one."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ser.errors import InputError


def record(seconds: float, *, ready: Callable[[], None]) -> tuple[NDArray[np.float32], int]:
    """Record from the default microphone.

    Parameters
    ----------
    ready : called when there is a microphone, just before it is listened to

    Returns
    -------
    samples ``(samples, 1)``, full scale 1, and the sample rate in Hz, the microphone's own

    Raises
    ------
    InputError : no microphone, or what reaches it is not installed
    """
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        raise InputError("Recording needs sounddevice: pip install '.[record]' in the project's folder") from error
    except OSError as error:  # the package is there, the system's library is not
        raise InputError(
            f"Recording needs PortAudio: {error}. On Debian and Ubuntu: apt install libportaudio2"
        ) from error
    try:
        microphone = sounddevice.query_devices(kind="input")
    except (sounddevice.PortAudioError, ValueError) as error:
        raise InputError("No microphone here. 'ser predict FILE' answers for a recording.") from error
    sample_rate = round(microphone["default_samplerate"])
    ready()
    try:
        samples = sounddevice.rec(round(seconds * sample_rate), sample_rate, channels=1, dtype="float32", blocking=True)
    except sounddevice.PortAudioError as error:
        raise InputError(f"The microphone {microphone['name']!r} cannot be read: {error}") from error
    return samples, sample_rate
