"""Keras layers that the networks share."""

import keras
from keras import layers, ops

from ser.features.relative import (
    ABOVE_QUIET_DB,
    CEILING,
    FALL_DB,
    FLOOR,
    LEAST_QUIET_FRAMES,
    LOUD_DB,
    QUIET_DB,
    VOICED_HARMONICITY,
    Scales,
)

DECIBEL = 10.0 / 2.302585092994046  # of a natural logarithm of power
USUAL_LEVEL_DB = 85.0  # of a clip's lowest mel band after equalisation, above ``mel.FLOOR_POWER``
SMOOTHED_FRAMES = 5  # over which the loudest level is averaged, so that a click is not the clip's level
TIMES_EQUALISED = 2


@keras.saving.register_keras_serializable("ser")
class FrameSums(layers.Layer):
    """Which frames of a clip are loud, and sums of each feature over its loud frames.

    A frame is padding when it is 0 in every feature, as the features of digital silence are. What is loud is judged
    after equalisation, with the mean spectrum of the clip's loud frames brought to one that all clips share, so that
    neither a microphone's response nor a steady noise in some bands decides which frames speak. The louder the quiet
    frames are, the nearer to the loudest must a loud one be; see ``ser.features.relative``. What is not loud is the
    room's noise, whose distance from the voice says how loudly somebody spoke only as long as the microphone stays
    the same.

    Input: ``(batch, frames, features)``. Output: sums ``(batch, 3, features)`` of count, value and square, and
    whether loud ``(batch, frames, 1)``
    """

    def __init__(self, scales: dict, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)  # levels are a small difference of large numbers
        self.scales = Scales(**scales)

    def call(self, features):
        sound = ops.any(ops.not_equal(features, 0), axis=-1, keepdims=True)
        level = self._level(features)
        for _ in range(TIMES_EQUALISED if self.scales.mel_columns[1] else 0):
            level = self._equalised(features, ops.logical_and(sound, level > _loudest(level, sound) - QUIET_DB))
        loud = ops.cast(ops.logical_and(sound, level > _threshold(level, sound)), "float32")
        weights = loud * ops.ones((features.shape[-1],))
        if self.scales.pitch is not None:  # the pitch of a frame without a voice is none
            voiced = ops.cast(features[..., self.scales.harmonicity, None] > VOICED_HARMONICITY, "float32")
            of_pitch = ops.convert_to_tensor(self.scales.is_pitch, "float32")
            weights = weights * (1 - of_pitch + of_pitch * voiced)
        parts = [weights, weights * features, weights * ops.square(features)]
        sums = ops.stack([ops.sum(part, axis=1) for part in parts], axis=1)
        return sums, loud

    def _level(self, features):
        """Level of each frame ``(batch, frames, 1)``: the sum of the powers of all columns that are levels."""
        is_level = ops.convert_to_tensor(self.scales.is_level, "float32")
        power = is_level * ops.exp(features * is_level * (1 / DECIBEL))
        return DECIBEL * ops.log(ops.maximum(ops.sum(power, axis=-1, keepdims=True), 1.0))

    def _equalised(self, features, loud):
        """Level of each frame by its mel bands, whose means over the loud frames are brought to a common spectrum."""
        first, end = self.scales.mel_columns
        bands, loud = features[..., first:end], ops.cast(loud, "float32")
        share = ops.reciprocal(ops.maximum(ops.sum(loud, axis=1, keepdims=True), 1.0))
        mean = share * ops.sum(loud * bands, axis=1, keepdims=True)
        common = ops.linspace(USUAL_LEVEL_DB, USUAL_LEVEL_DB - FALL_DB, end - first)
        return DECIBEL * ops.log(ops.sum(ops.exp((bands - mean + common) * (1 / DECIBEL)), axis=-1, keepdims=True))

    def get_config(self):
        return {**super().get_config(), "scales": vars(self.scales)}


def _loudest(level, sound):
    """Level of the loudest frames of each clip ``(batch, 1, 1)``, averaged so that a click is none of them."""
    smooth = ops.average_pool(ops.where(sound, level, 0.0), SMOOTHED_FRAMES, strides=1, padding="same")
    return ops.max(smooth, axis=1, keepdims=True)


def _threshold(level, sound):
    """Level ``(batch, 1, 1)`` above which the frames of each clip are loud; see ``ser.features.relative``."""
    top = _loudest(level, sound)
    quiet = ops.cast(ops.logical_and(sound, level <= top - QUIET_DB), "float32")
    frames = ops.sum(quiet, axis=1, keepdims=True)
    noise = ops.sum(quiet * level, axis=1, keepdims=True) * ops.reciprocal(ops.maximum(frames, 1.0))
    noisy = ops.maximum(top - LOUD_DB, noise + ABOVE_QUIET_DB)
    return ops.where(frames >= LEAST_QUIET_FRAMES, noisy, top - LOUD_DB)


@keras.saving.register_keras_serializable("ser")
class RelativeFeatures(layers.Layer):
    """Features relative to the loud frames of the clip itself and of the reference clips.

    Levels keep what lies above ``FLOOR`` deviations below the mean; the other features speak in loud frames
    only, and the pitch in voiced ones. Which frames are loud becomes a column.

    Input: features ``(batch, frames, features)``; loud and sums as ``FrameSums`` gives them, the sums
    those of the clip and its references. Output: ``(batch, frames, features + 1)``
    """

    def __init__(self, scales: dict, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.scales = Scales(**scales)

    def call(self, features, loud, sums):
        share = ops.reciprocal(ops.maximum(sums[:, :1], 1e-3))
        mean = sums[:, 1:2] * share
        least = ops.convert_to_tensor(self.scales.least_deviation, "float32")
        variance = ops.maximum(sums[:, 2:] * share - ops.square(mean), 0.0)
        relative = (features - mean) * ops.reciprocal(ops.sqrt(variance + ops.square(least)))
        spoken = ops.clip(relative, -CEILING, CEILING) * loud
        if self.scales.pitch is not None:
            voiced = ops.cast(features[..., self.scales.harmonicity, None] > VOICED_HARMONICITY, "float32")
            of_pitch = ops.convert_to_tensor(self.scales.is_pitch, "float32")
            spoken = spoken * (1 - of_pitch + of_pitch * voiced)
        is_level = ops.convert_to_tensor(self.scales.is_level, "float32")
        relative = is_level * ops.clip(relative, FLOOR, CEILING) + (1 - is_level) * spoken
        sound = ops.cast(ops.any(ops.not_equal(features, 0), axis=-1, keepdims=True), "float32")
        return ops.concatenate([relative * sound, loud], axis=-1)

    def get_config(self):
        return {**super().get_config(), "scales": vars(self.scales)}


@keras.saving.register_keras_serializable("ser")
class ReferenceNormalization(layers.Layer):
    """Normalise what the network says of a clip by what it says of the reference clips.

    Batch normalisation whose mean and variance are those of the ``clips`` references, shrunk to the training
    set's by ``clips / (clips + prior)``, with a learnt prior for each channel: adaptive batch normalisation
    (Li et al. 2016) for one speaker, with an estimate that a few clips can bear.

    Input: ``(batch, channels)``; and of the references their number, the sum of what the network says of
    them, and of its square: ``(batch, 1 + 2 * channels)``. Output: ``(batch, channels)``
    """

    def __init__(self, *, prior_clips: float = 4.0, momentum: float = 0.95, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.prior_clips, self.momentum = prior_clips, momentum

    def build(self, input_shape, *_):
        shape = (input_shape[-1],)
        self.mean = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="mean")
        self.variance = self.add_weight(shape=shape, initializer="ones", trainable=False, name="variance")
        initial = keras.initializers.Constant(float(ops.log(self.prior_clips)))
        self.log_prior = self.add_weight(shape=shape, initializer=initial, name="log_prior")

    def call(self, inputs, references, training=False):
        if training:
            mean, variance = ops.moments(ops.stop_gradient(inputs), axes=[0])
            self.mean.assign(self.momentum * self.mean + (1 - self.momentum) * mean)
            self.variance.assign(self.momentum * self.variance + (1 - self.momentum) * variance)
        channels = inputs.shape[-1]
        total, squares = references[:, 1 : 1 + channels], references[:, 1 + channels :]
        prior, own = ops.exp(self.log_prior), ops.convert_to_tensor(self.mean)
        spread = ops.convert_to_tensor(self.variance)
        share = ops.reciprocal(prior + references[:, :1])
        mean = (prior * own + total) * share
        square = (prior * (spread + ops.square(own)) + squares) * share
        variance = ops.maximum(square - ops.square(mean), 0.01 * spread)
        return (inputs - mean) * ops.reciprocal(ops.sqrt(variance + 1e-4))

    def compute_output_shape(self, input_shape, *_):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "prior_clips": self.prior_clips, "momentum": self.momentum}


@keras.saving.register_keras_serializable("ser")
class AttentiveStatisticsPooling(layers.Layer):
    """Weighted mean and standard deviation over frames, with learnt weights.

    Okabe, Koshinaka and Shinoda (2018), Attentive Statistics Pooling for Deep Speaker Embedding,
    Interspeech. Each channel has its own weights, as in ECAPA-TDNN (Desplanques et al. 2020).

    Input: ``(batch, frames, channels)``; output: ``(batch, 2 * channels)``
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)  # a deviation is a small difference of squares
        self.units = units

    def build(self, input_shape):
        self.hidden = layers.Dense(self.units, activation="tanh", dtype="float32", name="hidden")
        self.hidden.build(input_shape)
        self.score = layers.Dense(input_shape[-1], dtype="float32", name="score")
        self.score.build((*input_shape[:-1], self.units))

    def call(self, inputs):
        weights = ops.softmax(self.score(self.hidden(inputs)), axis=1)
        mean = ops.sum(weights * inputs, axis=1)
        variance = ops.sum(weights * ops.square(inputs), axis=1) - ops.square(mean)
        return ops.concatenate([mean, ops.sqrt(ops.maximum(variance, 1e-5))], axis=-1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 2 * input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("ser")
class SpecAugment(layers.Layer):
    """Hide stretches of frames and of neighbouring mel bands while training (Park et al. 2019).

    Each clip has its own draw; the width of a stretch is uniform from 0 to its largest.

    Input and output: ``(batch, frames, features)``; only the columns ``mel_columns`` (first, behind the last)
    have their bands hidden
    """

    def __init__(self, *, time_masks, time_mask_frames, mel_masks, mel_mask_bands, mel_columns, seed, **kwargs):
        super().__init__(**kwargs)
        self.settings = {
            "time_masks": time_masks,
            "time_mask_frames": time_mask_frames,
            "mel_masks": mel_masks,
            "mel_mask_bands": mel_mask_bands,
            "mel_columns": list(mel_columns),
            "seed": seed,
        }
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        if not training:
            return inputs
        of, batch = self.settings, ops.shape(inputs)[0]
        first, behind = of["mel_columns"]
        frames, columns = inputs.shape[1:]
        shown = self._shown(batch, frames, (0, frames), of["time_masks"], of["time_mask_frames"])[:, :, None]
        bands = self._shown(batch, columns, (first, behind), of["mel_masks"], of["mel_mask_bands"])[:, None, :]
        return inputs * ops.cast(shown, inputs.dtype) * ops.cast(bands, inputs.dtype)

    def _shown(self, batch, length: int, within: tuple[int, int], masks: int, most: int):
        """1 where nothing hides, 0 in the stretches, ``(batch, length)``."""
        index = ops.arange(length, dtype="float32")[None]
        shown = ops.ones((batch, length))
        first, behind = within
        for _ in range(masks if behind > first else 0):
            widest = min(most, behind - first)
            width = ops.floor(keras.random.uniform((batch, 1), 0, widest + 1, seed=self.generator))
            free = behind - first - width + 1
            start = first + ops.floor(keras.random.uniform((batch, 1), 0, 1, seed=self.generator) * free)
            hidden = ops.logical_and(index >= start, index < start + width)
            shown = shown * (1 - ops.cast(hidden, "float32"))
        return shown

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), **self.settings}


@keras.saving.register_keras_serializable("ser")
class FusedBatchNormalization(layers.BatchNormalization):
    """Keras's batch normalisation of the last axis, which TensorFlow trains in one kernel; Keras asks for six.

    Input and output: ``(batch, frames, channels)`` or ``(batch, frames, bands, channels)``
    """

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable and mask is None and keras.backend.backend() == "tensorflow"):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow

        images = ops.reshape(inputs, (-1, 1, *inputs.shape[-2:]))  # batch, height, width, channels
        images, mean, variance, *_ = tensorflow.raw_ops.FusedBatchNormV3(
            x=images,
            scale=self.gamma,
            offset=self.beta,
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        rows = ops.cast(ops.prod(ops.shape(images)[:-1]), variance.dtype)
        variance *= (rows - 1) / rows  # the kernel's is the unbiased estimate
        for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(self.momentum * average + (1 - self.momentum) * value)
        return ops.reshape(images, ops.shape(inputs))


def squeeze_excite(x, *, ratio: int, dropout: float, name: str):
    """Scale every channel by a gate computed from all channels' means (Hu, Shen and Sun 2018).

    While training, each clip loses some channels, by gates of 0: spatial dropout (Tompson et al. 2015).
    """
    channels = x.shape[-1]
    axes = tuple(range(1, len(x.shape) - 1))
    gate = ops.mean(x, axis=axes, keepdims=True)
    gate = layers.Dense(channels // ratio, activation="relu", name=f"{name}_squeeze")(gate)
    gate = layers.Dense(channels, activation="sigmoid", name=f"{name}_excite")(gate)
    gate = layers.Dropout(dropout, name=f"{name}_dropout")(gate)
    return layers.Multiply(name=f"{name}_gate")([x, gate])


def convolution(x, channels: int, *, kernel, name: str, strides=1, relu: bool = True):
    """A convolution over frames, or over frames and bands, batch normalisation, and ReLU."""
    layer = layers.Conv1D if len(x.shape) == 3 else layers.Conv2D
    x = layer(channels, kernel, strides=strides, padding="same", use_bias=False, name=name)(x)
    x = FusedBatchNormalization(name=f"{name}_norm")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x) if relu else x


def bottleneck(x, *, spatial_dropout: float, name: str):
    """Convolutions over frames of width 1, 5 and 1 with half the channels between, gated, added to the input."""
    channels = x.shape[-1]
    y = convolution(x, channels // 2, kernel=1, name=f"{name}_reduce")
    y = convolution(y, channels // 2, kernel=5, name=f"{name}_convolve")
    y = convolution(y, channels, kernel=1, name=f"{name}_expand", relu=False)
    y = squeeze_excite(y, ratio=8, dropout=spatial_dropout, name=name)
    return layers.Activation("relu", name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))
