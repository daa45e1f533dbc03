"""The two networks and the layers that they share."""

import keras
import numpy as np
import pytest
import yaml
from conftest import ROOT, SMALL

from ser.networks.cnn1d import cnn1d
from ser.networks.cnn2d import cnn2d
from ser.networks.layers import AttentiveStatisticsPooling, Standardize, squeeze_excite
from ser.params import Params
from ser.training.fit import count_multiplications

pytestmark = pytest.mark.network


def tiny_params(changes: dict) -> Params:
    """The project's parameters made small, with some changed further."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key, value in (SMALL | changes).items():
        block = content
        *parents, last = key.split(".")
        for parent in parents:
            block = block[parent]
        block[last] = value
    return Params.model_validate(content)


@pytest.mark.parametrize(
    "build",
    [
        lambda: cnn1d(frames=50, features=20, width=16, blocks=2, spatial_dropout=0.1, dropout=0.2),
        lambda: cnn2d(frames=50, mels=20, width=8, stages=2, time_stride=2, spatial_dropout=0.1, dropout=0.2),
    ],
)
def test_networks_map_clips_to_logits(build, rng):
    model = build()
    logits = np.asarray(model(rng.uniform(0, 60, (3, 50, 20)).astype(np.float32)))
    assert logits.shape == (3, 6)
    assert np.isfinite(logits).all()
    assert count_multiplications(model) > 10000


@pytest.mark.parametrize("frames", [7, 50])
def test_networks_take_clips_of_padding_alone(frames):
    for model in (
        cnn1d(frames=frames, features=20, width=16, blocks=2, spatial_dropout=0.1, dropout=0.2),
        cnn2d(frames=frames, mels=20, width=8, stages=2, time_stride=2, spatial_dropout=0.1, dropout=0.2),
    ):
        assert np.isfinite(np.asarray(model(np.zeros((1, frames, 20), np.float32)))).all()


def test_standardize_leaves_padding_at_zero():
    layer = Standardize()
    layer.build((None, 4, 3))
    layer.mean.assign([1, 2, 3])
    layer.deviation.assign([1, 2, 4])
    inputs = np.array([[[1, 2, 3], [2, 4, 7], [0, 2, 3], [0, 0, 0]]], np.float32)
    expected = [[[0, 0, 0], [1, 1, 1], [-1, 0, 0], [0, 0, 0]]]
    np.testing.assert_allclose(np.asarray(layer(inputs)), expected)


def test_pooling_with_even_weights_is_mean_and_deviation(rng):
    layer = AttentiveStatisticsPooling(4)
    layer.build((None, 9, 5))
    layer.score.kernel.assign(np.zeros((4, 5)))
    inputs = rng.standard_normal((2, 9, 5)).astype(np.float32)
    expected = np.concatenate([inputs.mean(axis=1), inputs.std(axis=1)], axis=-1)
    np.testing.assert_allclose(np.asarray(layer(inputs)), expected, atol=1e-5)


def test_squeeze_excite_scales_channels_alone(rng):
    inputs = keras.Input((9, 8))
    model = keras.Model(inputs, squeeze_excite(inputs, ratio=4, name="gate"))
    values = rng.uniform(1, 2, (2, 9, 8)).astype(np.float32)
    scale = np.asarray(model(values)) / values
    np.testing.assert_allclose(scale, np.broadcast_to(scale[:, :1], scale.shape), rtol=1e-5)
    assert ((scale > 0) & (scale < 1)).all()
