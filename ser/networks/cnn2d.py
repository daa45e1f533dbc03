"""The 2D network: residual convolutions over the log-mel spectrogram as an image."""

from typing import Annotated

import keras
from keras import layers
from pydantic import Field

from ser.networks.layers import AttentiveStatisticsPooling, squeeze_excite
from ser.networks.network import Network, NetworkSettings


def cnn2d(
    *, frames: int, mels: int, extra: int, width: int, stages: int, time_stride: int, spatial_dropout: float
) -> keras.Model:
    """Build the convolutions of the 2D network.

    Stem (5 x 5), ``stages`` residual blocks (He et al. 2016) with squeeze-and-excitation, each after
    the first with twice the channels at half the resolution, then attentive statistics pooling over
    time of what all mel bands say together.

    Parameters
    ----------
    extra : columns behind the mel bands that are about the whole frame; each becomes a channel of the image
    width : channels of the first block
    time_stride : frames that the stem merges into one; it merges two mel bands

    Returns
    -------
    Model from ``(batch, frames, mels + extra)`` to ``(batch, 4 * width * 2 ** (stages - 1))``
    """
    inputs = keras.Input((frames, mels + extra), name="relative")
    image = layers.Reshape((frames, mels, 1), name="image")(inputs[..., :mels])
    whole = layers.Reshape((frames, 1, extra), name="whole_frame")(inputs[..., mels:])
    x = layers.Concatenate(name="channels")([image, 0 * image + whole])
    x = _convolution(x, width, kernel=5, strides=(time_stride, 2), name="stem")
    for index in range(stages):
        x = _residual(
            x, width * 2**index, strides=2 if index else 1, spatial_dropout=spatial_dropout, name=f"block{index + 1}"
        )
    x = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]), name="frames")(x)
    x = layers.Conv1D(2 * width * 2 ** (stages - 1), 1, use_bias=False, name="mix")(x)
    x = layers.BatchNormalization(name="mix_norm")(x)
    x = layers.Activation("relu", name="mix_relu")(x)
    return keras.Model(inputs, AttentiveStatisticsPooling(64, name="statistics")(x), name="cnn2d")


def _convolution(x, channels: int, *, kernel: int, name: str, strides: int = 1, relu: bool = True):
    x = layers.Conv2D(channels, kernel, strides=strides, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x) if relu else x


def _residual(x, channels: int, *, strides: int, spatial_dropout: float, name: str):
    """Two 3 x 3 convolutions, gated, added to the input (pooled and projected where shapes differ)."""
    y = _convolution(x, channels, kernel=3, strides=strides, name=f"{name}_first")
    y = _convolution(y, channels, kernel=3, name=f"{name}_second", relu=False)
    y = squeeze_excite(y, ratio=8, name=name)
    y = layers.SpatialDropout2D(spatial_dropout, name=f"{name}_dropout")(y)
    if strides > 1:
        x = layers.AveragePooling2D(strides, padding="same", name=f"{name}_pool")(x)
    if x.shape[-1] != channels:
        x = _convolution(x, channels, kernel=1, name=f"{name}_project", relu=False)
    return layers.Activation("relu", name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


class Settings(NetworkSettings):
    """The parameters ``train_cnn2d``."""

    width: Annotated[int, Field(ge=8)]
    stages: Annotated[int, Field(ge=1, le=5)]
    time_stride: Annotated[int, Field(ge=1, le=8)]


def build(settings: Settings, frames: int, bands: int, extra: int) -> keras.Model:
    """The convolutions that the network's block describes."""
    return cnn2d(
        frames=frames,
        mels=bands,
        extra=extra,
        width=settings.width,
        stages=settings.stages,
        time_stride=settings.time_stride,
        spatial_dropout=settings.spatial_dropout,
    )


NETWORK = Network("cnn2d", features="spectrograms", settings=Settings, build=build)
