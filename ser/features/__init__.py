"""From a signal to what the networks read of each frame.

The room itself can be called: ``ser.features(samples, sample_rate)`` is ``ser.load().features(...)``, since the name of
the room and that of the library's function are one.
"""

import sys
from importlib import import_module
from types import ModuleType


class _Room(ModuleType):
    def __call__(self, recording, sample_rate: float | None = None):
        """Frame features of a recording under the parameters of the package's bundle; see ``ser.Model.features``.

        Examples
        --------
        >>> import numpy as np, ser
        >>> table = ser.features(np.random.default_rng(0).standard_normal(16000), 16000)
        >>> [name for name in table if not name.startswith(("log_mel", "mfcc"))]
        ['energy', 'entropy_of_energy', 'zero_crossing_rate', 'rmse', 'pitch_octaves', 'harmonicity']
        """
        library = import_module("ser.model")  # which imports this room
        return library.load().features(recording, sample_rate)


sys.modules[__name__].__class__ = _Room
