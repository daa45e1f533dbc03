"""What every network has before and behind its convolutions: measuring a clip against others of the same speaker.

Whatever a microphone, a room and a voice add to all recordings alike is taken out twice: of the features, and of
what the convolutions say. Both need nothing but sums over some clips, which a network gives beside its answer and
takes back as its second input. With no other clip the sums are 0, and a clip is measured against itself and
against the training set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
from keras import layers, ops

from ser.features.relative import scales_of
from ser.networks.layers import FrameSums, ReferenceNormalization, RelativeFeatures, SpecAugment
from ser.networks.network import Network

if TYPE_CHECKING:
    from ser.params import Params

DENSE_UNITS = 160
SHRUNK_BY_CLIPS = 4.0  # what the head is told of how far it can trust the references


@dataclass(frozen=True)
class SpeakerNetwork:
    """One network in two forms that share their weights.

    Attributes
    ----------
    training : from features ``(batch, frames, columns)``, references ``(batch, batch)``, whose row is 1 where
        another clip of the batch is a reference of this one, and mixing ``(batch, batch)``, whose row says of
        which clips an example is made up, to logits ``(batch, emotions)``
    answering : from features and reference sums ``(batch, sums)`` to logits, and to the clip's own sums
    """

    training: keras.Model
    answering: keras.Model


def build_network(network: Network, params: "Params", frames: int, table: Sequence[dict]) -> SpeakerNetwork:
    """The untrained network that ``params`` describe.

    Parameters
    ----------
    frames : of a clip
    table : about each column that the network reads; see ``ser.features.families``
    """
    own, common = network.settings_of(params), params.training
    scales = scales_of(table)
    sums_of = FrameSums(vars(scales), name="sums")
    relate = RelativeFeatures(vars(scales), name="relative")
    hide = SpecAugment(
        time_masks=common.on_the_fly.time_masks,
        time_mask_frames=round(common.on_the_fly.time_mask_seconds / network.hop_seconds(params)),
        mel_masks=common.on_the_fly.mel_masks,
        mel_mask_bands=round(common.on_the_fly.mel_mask_share * (scales.mel_columns[1] - scales.mel_columns[0])),
        mel_columns=scales.mel_columns,
        seed=own.seed,
        name="hide",
    )
    bands = scales.mel_columns[1] - scales.mel_columns[0]
    whole = len(table) - bands + 1  # with loud or not
    convolutions = network.build(own, frames, bands, whole)
    normalize = ReferenceNormalization(name="normalize")
    classify = _head(convolutions.output.shape[-1], emotions=len(params.corpus.emotions), dropout=own.dropout)

    features = keras.Input((frames, len(table)), name="features")
    sums, loud = sums_of(features)
    size = 3 * len(table)

    given = keras.Input((size + 1 + 2 * convolutions.output.shape[-1],), name="reference")
    of_frames = layers.Reshape((3, len(table)), name="reference_frames")(given[:, :size])
    pooled = convolutions(relate(features, loud, sums + of_frames))
    logits = classify([normalize(pooled, given[:, size:]), given[:, size : size + 1]])
    said = layers.Concatenate(name="statistics_of_clip")(
        [layers.Reshape((size,), name="frames_of_clip")(sums), *_said(pooled)]
    )
    answering = keras.Model([features, given], [logits, said], name=network.name)

    references = keras.Input((None,), name="references")
    mixing = keras.Input((None,), name="mixing")
    others = ops.reshape(references @ ops.reshape(sums, (-1, size)), (-1, 3, len(table)))
    pooled = convolutions(hide(relate(features, loud, sums + others)))
    of_clips = references @ ops.concatenate(_said(pooled), axis=-1)
    logits = classify([mixing @ normalize(pooled, of_clips), of_clips[:, :1]])
    return SpeakerNetwork(
        keras.Model([features, references, mixing], logits, name=f"{network.name}_training"), answering
    )


def _said(pooled) -> list:
    """1 for the clip, what the convolutions say of it, and its square."""
    pooled = ops.cast(pooled, "float32")
    return [0 * pooled[:, :1] + 1, pooled, ops.square(pooled)]


def _head(channels: int, *, emotions: int, dropout: float) -> keras.Model:
    """Dropout, a dense layer, dropout, and the logits; it knows how many references there were."""
    normalised, clips = keras.Input((channels,), name="normalised"), keras.Input((1,), name="clips")
    x = layers.Dropout(dropout, name="dropout_pooled")(normalised)
    trust = [clips * ops.reciprocal(clips + SHRUNK_BY_CLIPS), ops.cast(clips > 0, "float32")]
    x = layers.Concatenate(name="with_trust")([x, *trust])
    x = layers.Dense(DENSE_UNITS, use_bias=False, name="dense")(x)
    x = layers.BatchNormalization(name="dense_norm")(x)
    x = layers.Activation("relu", name="dense_relu")(x)
    x = layers.Dropout(0.75 * dropout, name="dropout_dense")(x)
    logits = layers.Dense(emotions, dtype="float32", name="logits")(x)
    return keras.Model([normalised, clips], logits, name="head")
