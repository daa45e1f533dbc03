"""The two networks and the layers that they share."""

import keras
import numpy as np
import pytest
from helpers import tiny_params
from keras import ops

from ser.features.families import column_table
from ser.features.relative import clip_sums, scales_of
from ser.networks.cnn1d import NETWORK as CNN1D
from ser.networks.cnn2d import NETWORK as CNN2D
from ser.networks.layers import (
    AttentiveStatisticsPooling,
    FrameSums,
    FusedBatchNormalization,
    ReferenceNormalization,
    RelativeFeatures,
    SpecAugment,
    squeeze_excite,
)
from ser.networks.speaker import SpeakerNetwork, build_network
from ser.training.fit import answer_with, count_multiplications

pytestmark = pytest.mark.network


FEATURES = tiny_params({"features_1d.n_mels": 20}).features_1d
MELS = column_table(FEATURES, ["log_mel"])
WITH_PITCH = column_table(FEATURES, ["log_mel", "energy", "zero_crossing_rate", "pitch"])
NETWORKS = [(CNN1D, WITH_PITCH), (CNN2D, MELS)]


def built(network, table: list[dict], frames: int = 50, **changes) -> SpeakerNetwork:
    keras.utils.set_random_seed(0)
    return build_network(network, tiny_params(changes), frames, table)


def speech(rng: np.random.Generator, table: list[dict], clips: int = 3, frames: int = 50) -> np.ndarray:
    """Clips in which every second frame is loud, and the last ten are padding."""
    features = rng.uniform(60, 80, (clips, frames, len(table)))
    features[:, ::2] -= 30
    for column, row in enumerate(table):
        if row["family"] in ("zero_crossing_rate", "pitch"):
            features[..., column] = rng.uniform(0.2, 1, (clips, frames))
    features[:, -10:] = 0
    return features.astype(np.float32)


def none(model: keras.Model, clips: int) -> np.ndarray:
    return np.zeros((clips, model.input_shape[1][1]), np.float32)


@pytest.mark.parametrize(("network", "table"), NETWORKS)
def test_networks_map_clips_to_logits_and_sums(network, table, rng):
    model = built(network, table).answering
    logits, said = map(np.asarray, model([speech(rng, table), none(model, 3)]))
    assert logits.shape == (3, 6)
    assert said.shape == none(model, 3).shape
    assert np.isfinite(logits).all()
    assert count_multiplications(model) > 10000


@pytest.mark.parametrize(("network", "table"), NETWORKS)
@pytest.mark.parametrize("frames", [7, 50])
def test_networks_take_clips_of_padding_only(network, table, frames):
    model = built(network, table, frames).answering
    for output in model([np.zeros((1, frames, len(table)), np.float32), none(model, 1)]):
        assert np.isfinite(np.asarray(output)).all()


@pytest.mark.parametrize(("network", "table"), NETWORKS)
def test_a_microphone_changes_nothing(network, table, rng):
    """A gain of each band's own is taken out."""
    features, is_level = speech(rng, table), np.array([row["family"] in ("log_mel", "energy") for row in table])
    sound = (features != 0).any(axis=2, keepdims=True)
    model = built(network, table).answering
    coloured = features + np.linspace(-2, 14, len(table)).astype(np.float32) * is_level * sound

    def logits(given) -> np.ndarray:
        return np.asarray(model([given.astype(np.float32), none(model, 3)])[0])

    np.testing.assert_allclose(logits(coloured), logits(features), atol=1e-3)


@pytest.mark.parametrize(("network", "table"), NETWORKS)
def test_training_and_answering_are_one_network(network, table, rng):
    """What a matrix of references says in training is what their sums say in an answer."""
    model = built(network, table)
    features = speech(rng, table, clips=4)
    references = np.array([[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 1, 0]], np.float32)
    in_training = np.asarray(model.training([features, references, np.eye(4, dtype=np.float32)]))
    size = 3 * len(table)
    sums = none(model.answering, 4)
    said = np.asarray(model.answering([features, sums])[1])
    sums[:, :size] = references @ said[:, :size]
    said = np.asarray(model.answering([features, sums])[1])
    sums[:, size:] = references @ said[:, size:]
    answered = np.asarray(model.answering([features, sums])[0])
    np.testing.assert_allclose(in_training, answered, atol=1e-4)
    assert np.abs(answered - np.asarray(model.answering([features, none(model.answering, 4)])[0])).max() > 1e-4


def test_clip_sums_measure_each_clip_against_all(rng):
    model = built(CNN2D, MELS).answering
    features, width = speech(rng, MELS, clips=3), none(model, 1).shape[1]
    said = clip_sums(answer_with(model), features, columns=20, width=width)
    alone = np.asarray(model([features, none(model, 3)])[1])
    np.testing.assert_allclose(said[:, :60], alone[:, :60], rtol=1e-5)
    others = none(model, 3)
    others[:, :60] = alone[:, :60].sum(axis=0) - alone[:, :60]
    np.testing.assert_allclose(said, np.asarray(model([features, others])[1]), rtol=1e-4, atol=1e-4)
    assert said[:, 60].tolist() == [1, 1, 1]


def test_sums_are_of_loud_frames_and_of_the_pitch_in_voiced_ones():
    table = column_table(FEATURES.model_copy(update={"n_mels": 2}), ["log_mel", "pitch"])
    clip = np.zeros((1, 12, 4), np.float32)
    clip[0, :8] = [60, 58, 1.5, 0.9]
    clip[0, 4:8] = [30, 29, 2.5, 0.9]  # 30 dB below: the room
    clip[0, 3] = [60, 58, 4.0, 0.1]  # loud, and without a voice
    sums, loud = FrameSums(vars(scales_of(table)))(clip)
    assert np.asarray(loud)[0, :, 0].tolist() == [1] * 4 + [0] * 8
    np.testing.assert_allclose(np.asarray(sums)[0, 0], [4, 4, 3, 4])
    np.testing.assert_allclose(np.asarray(sums)[0, 1], [240, 232, 4.5, 2.8], rtol=1e-5)
    np.testing.assert_allclose(np.asarray(sums)[0, 2], [4 * 3600, 4 * 3364, 3 * 2.25, 3 * 0.81 + 0.01], rtol=1e-5)


def loud_frames(clip: np.ndarray) -> list[int]:
    """Which frames of a clip ``(frames, mel bands)`` are loud."""
    table = column_table(FEATURES.model_copy(update={"n_mels": clip.shape[1]}), ["log_mel"])
    _, loud = FrameSums(vars(scales_of(table)))(clip[None].astype(np.float32))
    return np.flatnonzero(np.asarray(loud)[0, :, 0]).tolist()


def test_neither_a_response_nor_a_noise_in_some_bands_decides_which_frames_are_loud(rng):
    voice = np.linspace(85, 45, 20) + rng.normal(0, 3, (40, 20))
    voice[20:] = 30
    for noise in (0, 60):  # dB, in the upper bands of every frame, louder than the voice is there
        for slope in (-2, 0, 3):  # dB a band
            recorded = np.where(np.arange(20) >= 14, np.maximum(voice, noise), voice) + slope * np.arange(20)
            assert loud_frames(recorded) == list(range(20)), (noise, slope)


def test_frames_near_the_noise_are_loud_only_where_there_is_none():
    clip = np.full((30, 8), 80.0)
    clip[10:] -= 18
    assert loud_frames(clip) == list(range(10))
    assert loud_frames(clip[:13]) == list(range(13))  # three frames are no noise, but the end of a word


def test_one_band_or_none_is_enough_to_tell_what_is_loud():
    levels = np.repeat([60.0, 30.0], 10)
    assert loud_frames(levels[:, None]) == list(range(10))
    table = column_table(FEATURES, ["energy", "zero_crossing_rate"])
    clip = np.stack([levels, np.full(20, 0.2)], axis=1)[None].astype(np.float32)
    _, loud = FrameSums(vars(scales_of(table)))(clip)
    assert np.asarray(loud)[0, :, 0].tolist() == [1] * 10 + [0] * 10
    model = built(CNN1D, table, 20).answering
    assert np.isfinite(np.asarray(model([clip, none(model, 1)])[0])).all()


def test_relative_levels_end_at_the_floor_and_other_features_outside_loud_frames():
    table = column_table(FEATURES.model_copy(update={"n_mels": 2}), ["log_mel", "zero_crossing_rate"])
    scales = vars(scales_of(table))
    clip = np.zeros((1, 12, 3), np.float32)
    clip[0, :8] = [60, 58, 0.3]
    clip[0, :4:2] = [64, 62, 0.1]
    clip[0, 6:8] = [20, 20, 0.9]
    sums, loud = FrameSums(scales)(clip)
    relative = np.asarray(RelativeFeatures(scales)(clip, loud, sums))[0]
    assert relative.shape == (12, 4)
    np.testing.assert_allclose(relative[6:8, :2], -1)
    np.testing.assert_allclose(relative[6:8, 2], 0)
    assert not relative[8:].any()
    assert (relative[:4:2, :2] > 0).all()
    np.testing.assert_allclose(relative[:, 3], [1] * 6 + [0] * 6)


@pytest.mark.parametrize("masks", [0, 1])
def test_masks_hide_in_training_and_nothing_else_is_random_without_dropout(masks, rng):
    off = dict.fromkeys(("train_cnn2d.dropout", "train_cnn2d.spatial_dropout"), 0.0)
    fly = {f"training.on_the_fly.{kind}_masks": masks for kind in ("time", "mel")}
    model = built(CNN2D, MELS, **off, **fly).training
    model.get_layer("normalize").momentum = 1.0  # what it has learnt of the clips stays as it is
    given = [speech(rng, MELS, clips=4), np.zeros((4, 4), np.float32), np.eye(4, dtype=np.float32)]
    first, second = (np.asarray(model(given, training=True)) for _ in range(2))
    assert np.allclose(first, second, atol=1e-3) == (masks == 0)


def test_normalising_shrinks_the_references_to_the_training_set(rng):
    layer = ReferenceNormalization(prior_clips=4.0)
    layer.build((None, 2))
    layer.mean.assign([1.0, 2.0])
    layer.variance.assign([4.0, 9.0])
    inputs = np.array([[3.0, 5.0]], np.float32)
    no_clips = np.zeros((1, 5), np.float32)
    np.testing.assert_allclose(np.asarray(layer(inputs, no_clips)), [[1, 1]], rtol=1e-4)
    own = rng.normal([10.0, -4.0], [0.5, 2.0], (1000, 2)).astype(np.float32)
    many = np.concatenate([[1000], own.sum(axis=0), (own**2).sum(axis=0)])[None].astype(np.float32)
    like_them = np.array([[10.5, -2.0]], np.float32)
    np.testing.assert_allclose(np.asarray(layer(like_them, many)), [[1, 1]], atol=0.3)
    few = many * (4 / 1000)
    halfway = (1.0 + 10.0) / 2
    expected = np.sqrt((4 + 1 + 0.25 + 100) / 2 - halfway**2)
    np.testing.assert_allclose(np.asarray(layer(like_them, few))[0, 0], (10.5 - halfway) / expected, rtol=0.02)


def test_spec_augment_hides_while_training_only(rng):
    layer = SpecAugment(time_masks=2, time_mask_frames=10, mel_masks=2, mel_mask_bands=6, mel_columns=(0, 20), seed=0)
    inputs = rng.uniform(1, 2, (200, 50, 24)).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(layer(inputs)), inputs)
    hidden = np.asarray(layer(inputs, training=True)) == 0
    frames, bands = hidden.all(axis=2), hidden.all(axis=1)
    assert not bands[:, 20:].any()
    np.testing.assert_array_equal(hidden, frames[..., None] | bands[:, None])
    assert 0 < frames.sum(axis=1).max() <= 20
    assert frames.sum(axis=1).mean() == pytest.approx(2 * 5 - 1, abs=1.5)  # two stretches of 5 at the mean, some over
    assert bands.sum(axis=1).mean() == pytest.approx(2 * 3 - 0.5, abs=1)
    assert frames.mean(axis=0).min() > 0.02


def test_pooling_with_even_weights_is_mean_and_deviation(rng):
    layer = AttentiveStatisticsPooling(4)
    layer.build((None, 9, 5))
    layer.score.kernel.assign(np.zeros((4, 5)))
    inputs = rng.standard_normal((2, 9, 5)).astype(np.float32)
    expected = np.concatenate([inputs.mean(axis=1), inputs.std(axis=1)], axis=-1)
    np.testing.assert_allclose(np.asarray(layer(inputs)), expected, atol=1e-5)


def test_squeeze_excite_scales_channels_alone(rng):
    inputs = keras.Input((9, 8))
    model = keras.Model(inputs, squeeze_excite(inputs, ratio=4, dropout=0.0, name="gate"))
    values = rng.uniform(1, 2, (2, 9, 8)).astype(np.float32)
    scale = np.asarray(model(values)) / values
    np.testing.assert_allclose(scale, np.broadcast_to(scale[:, :1], scale.shape), rtol=1e-5)
    assert ((scale > 0) & (scale < 1)).all()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the kernel is TensorFlow's")
@pytest.mark.parametrize("shape", [(4, 7, 16), (4, 7, 5, 16)])
def test_fused_batch_normalisation_is_that_of_keras(shape, rng):
    import tensorflow

    given, wanted = ops.convert_to_tensor(rng.normal(3, 2, shape).astype(np.float32)), rng.normal(size=shape)
    results = []
    for kind in (keras.layers.BatchNormalization, FusedBatchNormalization):
        layer = kind(momentum=0.9)
        layer.build(shape)
        layer.gamma.assign(np.linspace(0.5, 2, 16))
        layer.beta.assign(np.linspace(-1, 1, 16))
        with tensorflow.GradientTape() as tape:
            tape.watch(given)
            trained = layer(given, training=True)
            loss = ops.sum(trained * wanted.astype(np.float32))
        gradients = tape.gradient(loss, [given, layer.gamma.value, layer.beta.value])
        results.append([trained, *gradients, layer.moving_mean, layer.moving_variance, layer(given, training=False)])
    for fused, of_keras in zip(*results, strict=True):
        np.testing.assert_allclose(fused, of_keras, rtol=1e-4, atol=1e-4)


def test_a_dropped_channel_is_dropped_in_all_frames(rng):
    inputs = keras.Input((6, 64))
    model = keras.Model(inputs, squeeze_excite(inputs, ratio=4, dropout=0.5, name="gate"))
    kept = np.asarray(model(rng.uniform(0.5, 1, (3, 6, 64)).astype(np.float32), training=True)) != 0
    assert (kept == kept[:, :1]).all()
    assert 0.3 < kept.mean() < 0.7
