"""The 2D network: residual convolutions over the log-mel spectrogram as an image, then over what remains of time."""

from typing import Annotated

import keras
from keras import layers
from pydantic import Field

from ser.networks.layers import AttentiveStatisticsPooling, bottleneck, convolution, squeeze_excite
from ser.networks.network import Network, NetworkSettings
from ser.settings import Count

STEM_KERNEL, STEM_STRIDES = (5, 8), (2, 4)  # frames, mel bands


class Settings(NetworkSettings):
    """The parameters ``train_cnn2d``."""

    width: Annotated[int, Field(ge=8)]
    stages: Annotated[int, Field(ge=1, le=5)]
    time_width: Annotated[int, Field(ge=16)]
    time_blocks: Count


def cnn2d(*, frames: int, mels: int, extra: int, settings: Settings) -> keras.Model:
    """Build the convolutions of the 2D network.

    Stem (5 x 8), ``stages`` residual blocks (He et al. 2016) with squeeze-and-excitation, each at half the
    resolution in mel bands and with more channels; then all bands of a frame, with what its tracks say, through
    ``time_blocks`` bottleneck blocks over time, and attentive statistics pooling. Images first and time last is the
    plan of Thienpondt, Desplanques and Demuynck (2021), Integrating Frequency Translational Invariance in TDNNs,
    Interspeech.

    Parameters
    ----------
    extra : columns behind the mel bands that are about the whole frame: the tracks

    Returns
    -------
    Model from ``(batch, frames, mels + extra)`` to ``(batch, 2 * time_width)``
    """
    inputs = keras.Input((frames, mels + extra), name="relative")
    x = layers.Reshape((frames, mels, 1), name="image")(inputs[..., :mels])
    x = convolution(x, settings.width, kernel=STEM_KERNEL, strides=STEM_STRIDES, name="stem")
    for index in range(settings.stages):
        channels = (2 + index) * settings.width
        x = _residual(x, channels, spatial_dropout=settings.spatial_dropout, name=f"block{index + 1}")
    x = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]), name="frames")(x)
    tracks = convolution(
        inputs[..., mels:], 2 * settings.width, kernel=STEM_KERNEL[0], strides=STEM_STRIDES[0], name="tracks"
    )
    x = layers.Concatenate(name="bands_and_tracks")([x, tracks])
    x = convolution(x, settings.time_width, kernel=1, name="mix")
    for index in range(settings.time_blocks):
        x = bottleneck(x, spatial_dropout=settings.spatial_dropout, name=f"time{index + 1}")
    return keras.Model(inputs, AttentiveStatisticsPooling(64, name="statistics")(x), name="cnn2d")


def _residual(x, channels: int, *, spatial_dropout: float, name: str):
    """Two 3 x 3 convolutions, gated, added to the input, which is pooled over neighbouring bands and projected."""
    strides = (1, 2)
    y = convolution(x, channels, kernel=3, strides=strides, name=f"{name}_first")
    y = convolution(y, channels, kernel=3, name=f"{name}_second", relu=False)
    y = squeeze_excite(y, ratio=8, dropout=spatial_dropout, name=name)
    x = layers.AveragePooling2D(strides, padding="same", name=f"{name}_pool")(x)
    x = convolution(x, channels, kernel=1, name=f"{name}_project", relu=False)
    return layers.Activation("relu", name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


def build(settings: Settings, frames: int, bands: int, extra: int) -> keras.Model:
    """The convolutions that the network's block describes."""
    return cnn2d(frames=frames, mels=bands, extra=extra, settings=settings)


NETWORK = Network("cnn2d", features="spectrograms", settings=Settings, build=build)
