"""Keras layers that the networks share."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("ser")
class Standardize(layers.Layer):
    """Subtract the mean and divide by the deviation of each feature; padding becomes 0.

    A frame is padding when it is 0 in every feature, as the features of digital silence are.
    Mean and deviation are weights, so they travel inside the saved model. Computed in float32 whatever
    the precision of training: half precision would round levels to a sixteenth of a decibel.

    Input and output: ``(batch, frames, features)``
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32"} | kwargs)

    def build(self, input_shape):
        features = input_shape[-1]
        self.mean = self.add_weight(shape=(features,), initializer="zeros", trainable=False, name="mean")
        self.deviation = self.add_weight(shape=(features,), initializer="ones", trainable=False, name="deviation")

    def call(self, inputs):
        padding = ops.all(ops.equal(inputs, 0), axis=-1, keepdims=True)
        return ops.where(padding, 0.0, (inputs - self.mean) / self.deviation)


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


def squeeze_excite(x, *, ratio: int, name: str):
    """Scale every channel by a gate computed from all channels' means (Hu, Shen and Sun 2018)."""
    channels = x.shape[-1]
    axes = tuple(range(1, len(x.shape) - 1))
    gate = ops.mean(x, axis=axes, keepdims=True)
    gate = layers.Dense(channels // ratio, activation="relu", name=f"{name}_squeeze")(gate)
    gate = layers.Dense(channels, activation="sigmoid", name=f"{name}_excite")(gate)
    return layers.Multiply(name=f"{name}_gate")([x, gate])


def classifier(x, *, units: int, dropout: float, classes: int):
    """Dropout, a dense layer, dropout, and the logits of ``classes``."""
    x = layers.Dropout(dropout, name="dropout_pooled")(x)
    x = layers.Dense(units, use_bias=False, name="dense")(x)
    x = layers.BatchNormalization(name="dense_norm")(x)
    x = layers.Activation("relu", name="dense_relu")(x)
    x = layers.Dropout(0.75 * dropout, name="dropout_dense")(x)
    return layers.Dense(classes, dtype="float32", name="logits")(x)
