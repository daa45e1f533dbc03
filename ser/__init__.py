"""Speech emotion recognition on CREMA-D: arrays in, arrays out.

Axes, everywhere in the project:

- signals       ``(clips, samples)``
- features      ``(clips, frames, features)``
- spectrograms  ``(clips, frames, mels)``
- probabilities ``(clips, emotions)``, in the order of ``ser.emotions.EMOTIONS``

Computation is in float32. Only ``ser.io`` touches the disk.
"""

__version__ = "0.1.0"
