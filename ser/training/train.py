"""One training and its predictions: the procedure that the stages and cross-validation share."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import keras
import numpy as np
from numpy.typing import NDArray

from ser.emotions import NEUTRAL
from ser.features.relative import scales_of
from ser.networks.network import Network
from ser.networks.speaker import build_network
from ser.training.batches import Batches
from ser.training.data import Clips, emotion_targets, prepare_test, prepare_train_data
from ser.training.devices import training_scope
from ser.training.fit import (
    Session,
    balanced_class_weights,
    compile_network,
    count_multiplications,
    fit,
    predict_probabilities,
)
from ser.training.on_the_fly import Columns

if TYPE_CHECKING:
    from ser.params import Params


@dataclass(frozen=True)
class Features:
    """What a network reads: an array ``(clips + copies, frames, columns)``, and a row about each of its columns."""

    array: NDArray
    table: list[dict]


def train(
    network: Network, features: Features, clips: Clips, params: "Params", session: Session
) -> tuple[keras.Model, list[dict]]:
    """Train a network on the training clips, choosing the epoch by validation.

    Parameters
    ----------
    session : the network's own callbacks are added to its callbacks

    Returns
    -------
    the model of the best epoch, see ``ser.networks.speaker.SpeakerNetwork.answering``, and its history
    """
    settings, own = params.training, network.settings_of(params)
    columns = network.columns_of(params, features.table)
    table = [features.table[column] for column in columns]
    targets = emotion_targets(clips.labels, clips.votes, soft_labels=settings.soft_labels)
    pool = prepare_train_data(features.array, targets, clips, wanted=settings.copies, columns=columns)
    held_out = clips.rows("validation")
    validation = prepare_test(features.array, rows=held_out, columns=columns)
    batches = Batches(
        pool,
        columns=Columns(scales_of(table).mel_columns, network.hop_seconds(params)),
        class_weights=balanced_class_weights(pool.targets) if settings.class_weights else None,
        neutral=clips.emotions.index(NEUTRAL) if NEUTRAL in clips.emotions else None,
        seed=own.seed,
        settings=settings,
    )
    make_reproducible(own.seed)
    with training_scope(settings.precision):
        model = build_network(network, params, pool.features.shape[1], table)
        compile_network(
            model.training,
            epochs=own.epochs,
            steps_per_epoch=len(batches),
            learning_rate=settings.learning_rate,
            warmup_fraction=settings.warmup_fraction,
            weight_decay=settings.weight_decay,
            label_smoothing=settings.label_smoothing,
        )
    session.report(
        f"{network.name}: {model.answering.count_params():,} parameters, "
        f"{count_multiplications(model.answering) / 1e6:.1f} million multiplications a clip; {len(pool.rows)} training "
        f"clips in {pool.rows.shape[1]} versions, {len(validation)} validation clips"
    )
    session = replace(session, callbacks=[*session.callbacks, *network.callbacks(own)])
    history = fit(model, batches, (validation, clips.labels[held_out]), own, session)
    # The optimizer's state, twice the size of the network, ends here, and so does half precision.
    trained = build_network(network, params, pool.features.shape[1], table).answering
    trained.set_weights(model.answering.get_weights())
    return trained, history


def prepared(network: Network, features: Features, clips: Clips, params: "Params") -> NDArray:
    """What a network reads of every clip, never of a copy: ``(clips, frames, columns)``, in memory."""
    columns = network.columns_of(params, features.table)
    return prepare_test(features.array, rows=list(range(len(clips.actors))), columns=columns)


def predict(
    network: Network, model: keras.Model, features: Features, clips: Clips, params: "Params"
) -> NDArray[np.float32]:
    """Probabilities ``(clips, emotions)`` of every clip, never of a copy, each measured against itself."""
    columns, chunk = network.columns_of(params, features.table), 256
    starts = range(0, len(clips.actors), chunk)
    parts = (range(start, min(start + chunk, len(clips.actors))) for start in starts)
    return np.concatenate(
        [predict_probabilities(model, prepare_test(features.array, rows=list(rows), columns=columns)) for rows in parts]
    )


def make_reproducible(seed: int) -> None:
    """Seed every generator, ask TensorFlow for kernels that add in a fixed order, and GPUs for whole single precision.

    A variance is a small difference of large sums: TensorFloat-32's ten bits of mantissa would not do.
    """
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
        tensorflow.config.experimental.enable_tensor_float_32_execution(False)
    elif keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "float32")
