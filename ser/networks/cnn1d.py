"""The 1D network: residual convolutions over time, frame features as channels."""

from typing import Annotated

import keras
from keras import layers
from pydantic import Field

from ser.networks.layers import AttentiveStatisticsPooling, squeeze_excite
from ser.networks.network import Network, NetworkSettings
from ser.settings import Count, Families


def cnn1d(*, frames: int, columns: int, width: int, blocks: int, spatial_dropout: float) -> keras.Model:
    """Build the convolutions of the 1D network.

    Stem (width 5, stride 2), ``blocks`` bottleneck residual blocks with squeeze-and-excitation, a
    pooling by 2 half-way, attentive statistics pooling.

    Parameters
    ----------
    columns : of relative features; see ``ser.networks.layers.RelativeFeatures``
    width : channels of the residual stream

    Returns
    -------
    Model from ``(batch, frames, columns)`` to ``(batch, 2 * width)``
    """
    inputs = keras.Input((frames, columns), name="relative")
    x = _convolution(inputs, width, kernel=5, strides=2, name="stem")
    for index in range(blocks):
        x = _bottleneck(x, spatial_dropout=spatial_dropout, name=f"block{index + 1}")
        if index == blocks // 2 - 1:
            x = layers.MaxPooling1D(2, padding="same", name="pool")(x)
    return keras.Model(inputs, AttentiveStatisticsPooling(width // 4, name="statistics")(x), name="cnn1d")


def _convolution(x, channels: int, *, kernel: int, name: str, strides: int = 1, relu: bool = True):
    x = layers.Conv1D(channels, kernel, strides=strides, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x) if relu else x


def _bottleneck(x, *, spatial_dropout: float, name: str):
    """Convolutions of width 1, 5 and 1 with half the channels between, gated, added to the input."""
    channels = x.shape[-1]
    y = _convolution(x, channels // 2, kernel=1, name=f"{name}_reduce")
    y = _convolution(y, channels // 2, kernel=5, name=f"{name}_convolve")
    y = _convolution(y, channels, kernel=1, name=f"{name}_expand", relu=False)
    y = squeeze_excite(y, ratio=8, name=name)
    y = layers.SpatialDropout1D(spatial_dropout, name=f"{name}_dropout")(y)
    return layers.Activation("relu", name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


class Settings(NetworkSettings):
    """The parameters ``train_cnn1d``."""

    families: Families
    width: Annotated[int, Field(ge=8)]
    blocks: Count


def build(settings: Settings, frames: int, bands: int, extra: int) -> keras.Model:
    """The convolutions that the network's block describes."""
    return cnn1d(
        frames=frames,
        columns=bands + extra,
        width=settings.width,
        blocks=settings.blocks,
        spatial_dropout=settings.spatial_dropout,
    )


NETWORK = Network("cnn1d", features="features_1d", settings=Settings, build=build)
