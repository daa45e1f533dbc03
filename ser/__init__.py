"""Speech emotion recognition on CREMA-D.

>>> import ser
>>> model = ser.load()  # the networks of this package; or ser.load("models/bundle.zip")

``model.predict("clip.wav")`` or ``model.predict(samples, sample_rate)`` gives an answer with ``emotion``,
``probability``, ``probabilities`` and ``timeline``; ``model.predict_folder("clips/")`` a table.
``ser.features(samples, sample_rate)`` gives what the networks read of each frame, by name.
``model.calibrate([...])`` learns a voice and a microphone: ``model.predict("clip.wav", profile=profile)``.

Axes, everywhere in the project:

- signals       ``(clips, samples)``
- features      ``(clips, frames, features)``
- spectrograms  ``(clips, frames, mels)``
- probabilities ``(clips, emotions)``, in the order of the corpus's or the bundle's ``emotions``

Computation is in float32. Artifacts are written by ``ser.artifacts`` only, recordings read by ``ser.audio.reading``.
"""

import os
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ser import features
    from ser.errors import InputError, NoAnswer
    from ser.model import Answer, Model, Profile, Stretch, load

# ONNX Runtime would keep a record of its use under the home folder, with the means to send it. Read at its import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = version("ser")
__all__ = ["Answer", "InputError", "Model", "NoAnswer", "Profile", "Stretch", "features", "load"]
_ERRORS = ("InputError", "NoAnswer")


def __getattr__(name: str):
    """The library's names, imported when they are asked for: a stage or a completion script needs none of them."""
    if name not in __all__:
        raise AttributeError(f"module 'ser' has no attribute {name!r}")
    if name == "features":
        return import_module("ser.features")  # a room that can be called
    return getattr(import_module("ser.errors" if name in _ERRORS else "ser.model"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
