"""What a network that reads spectrograms looked at: how its answer falls when a part of the spectrogram is hidden."""

import numpy as np
from numpy.typing import NDArray

from ser.answers.recognizer import Recognizer

PATCH_SECONDS, PATCHES_HIGH = 0.256, 8  # a quarter of a second, an eighth of the mel axis
BATCH = 64


def occlusion_map(recognizer: Recognizer, network: str, mels: NDArray[np.float32], emotion: int) -> NDArray[np.float32]:
    """By how much the probability of an emotion falls when the surroundings of each point are hidden.

    Zeiler and Fergus (2014), Visualizing and Understanding Convolutional Networks, section 4.2. A patch
    takes the clip's own mean of each band, so that no edge is made; patches overlap by half, and a point
    has the mean of those that hid it.

    Parameters
    ----------
    network : name of one that reads spectrograms
    mels : of one clip, a row of ``spectrograms.npy``; its tracks are not hidden
    emotion : number of the emotion

    Returns
    -------
    shape ``(frames, mels)``; above 0 where the answer rests on what is there
    """
    settings = recognizer.params.spectrograms
    bands = settings.n_mels
    long = max(2, round(PATCH_SECONDS * recognizer.params.preprocess.sample_rate / settings.hop_length))
    high = max(2, bands // PATCHES_HIGH)
    sounding = np.any(mels != 0, axis=1)
    mean = mels[sounding].mean(axis=0) if sounding.any() else np.zeros(mels.shape[1], np.float32)
    end = int(np.flatnonzero(sounding)[-1]) + 1 if sounding.any() else 1
    patches = [
        (slice(frame, frame + long), slice(band, min(band + high, bands)))
        for frame in range(0, end, long // 2)
        for band in range(0, bands, high // 2)
    ]
    whole = recognizer.probabilities_of(network, mels[None])[0, emotion]
    fall, count = np.zeros((len(mels), bands)), np.zeros((len(mels), bands))
    for start in range(0, len(patches), BATCH):
        chosen = patches[start : start + BATCH]
        hidden = np.repeat(mels[None], len(chosen), axis=0)
        for row, (time, band) in enumerate(chosen):
            hidden[row, time, band] = np.where(sounding[time, None], mean[band], 0)
        probabilities = recognizer.probabilities_of(network, hidden)[:, emotion]
        for (time, band), probability in zip(chosen, probabilities, strict=True):
            fall[time, band] += whole - probability
            count[time, band] += 1
    return (fall / np.maximum(count, 1)).astype(np.float32)
