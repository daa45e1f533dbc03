"""Speech emotion recognition on CREMA-D: arrays in, arrays out.

Axes, everywhere in the project:

- signals       ``(clips, samples)``
- features      ``(clips, frames, features)``
- spectrograms  ``(clips, frames, mels)``
- probabilities ``(clips, emotions)``, in the order of ``ser.emotions.EMOTIONS``

Computation is in float32. Only ``ser.artifacts`` touches the disk.
"""

import os
from importlib.metadata import version

# ONNX Runtime would keep a record of its use under the home folder, with the means to send it. Read at its import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = version("ser")
