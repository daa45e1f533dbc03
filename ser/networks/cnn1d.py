"""The 1D network: residual convolutions over time, frame features as channels."""

from typing import Annotated

import keras
from keras import layers
from pydantic import Field

from ser.networks.layers import AttentiveStatisticsPooling, bottleneck, convolution
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
    x = convolution(inputs, width, kernel=5, strides=2, name="stem")
    for index in range(blocks):
        x = bottleneck(x, spatial_dropout=spatial_dropout, name=f"block{index + 1}")
        if index == blocks // 2 - 1:
            x = layers.MaxPooling1D(2, padding="same", name="pool")(x)
    return keras.Model(inputs, AttentiveStatisticsPooling(width // 4, name="statistics")(x), name="cnn1d")


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
