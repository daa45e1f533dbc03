"""One training and its predictions: the procedure that the stages and cross-validation share."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from ser.emotions import EMOTIONS
from ser.networks.network import Network
from ser.training.batches import Batches
from ser.training.data import (
    emotion_targets,
    fit_statistics,
    prepare_test,
    prepare_train_data,
    speaker_statistics,
)
from ser.training.devices import training_scope
from ser.training.fit import (
    Progress,
    balanced_class_weights,
    compile_network,
    count_multiplications,
    fit,
    predict_probabilities,
)


@dataclass(frozen=True)
class Clips:
    """Of every clip, in the order of ``clips.parquet``; and of every offline copy."""

    emotions: list[str]
    actors: NDArray[np.int64]
    votes: NDArray[np.int64]  # (clips, emotions)
    subsets: list[str]
    copy_sources: NDArray[np.int64]
    copy_transforms: list[str]

    def rows(self, subset: str) -> list[int]:
        """Rows of a subset."""
        return [row for row, other in enumerate(self.subsets) if other == subset]

    def labels(self) -> NDArray[np.int64]:
        """Number of each clip's emotion."""
        return np.array([EMOTIONS.index(emotion) for emotion in self.emotions])


@dataclass(frozen=True)
class Features:
    """What a network reads: an array ``(clips + copies, frames, columns)``, and a row about each of its columns."""

    array: NDArray
    table: list[dict]


def speakers(features: NDArray, clips: Clips, columns: list[int], params):
    """Statistics of every speaker from all of the speaker's clips, or ``None`` where they are not asked for."""
    if not params.training.speaker_normalization:
        return None
    return speaker_statistics(features[: len(clips.actors)][..., columns], clips.actors)


def train(
    network: Network,
    features: Features,
    clips: Clips,
    params,
    *,
    progress: Progress,
    save: Callable[[Progress], None],
    report: Callable[[str], None],
) -> tuple[keras.Model, list[dict]]:
    """Train a network on the training clips, choosing the epoch by validation.

    Parameters
    ----------
    params : ``ser.params.Params``
    progress, save, report : see ``ser.training.fit.fit``

    Returns
    -------
    the model of the best epoch, and its history
    """
    settings, own = params.training, network.settings_of(params)
    columns, table = network.columns_of(params, features.table), features.table
    statistics = speakers(features.array, clips, columns, params)
    rows, targets = prepare_train_data(
        features.array,
        emotion_targets(clips.emotions, clips.votes, soft_labels=settings.soft_labels),
        subsets=clips.subsets,
        copy_sources=clips.copy_sources,
        copy_transforms=clips.copy_transforms,
        copies=settings.copies,
        columns=columns,
        actors=clips.actors,
        statistics=statistics,
    )
    held_out = clips.rows("validation")
    validation = prepare_test(
        features.array, rows=held_out, columns=columns, actors=clips.actors[held_out], statistics=statistics
    )
    fitted = fit_statistics(rows)
    mels = [place for place, column in enumerate(columns) if table[column]["family"] == "log_mel"]
    response = np.array([float(table[column]["rise_per_db"]) for column in columns], np.float32)
    batches = Batches(
        rows,
        targets,
        statistics=fitted,
        mel_columns=slice(mels[0], mels[-1] + 1) if mels else slice(0, 0),
        # A speaker's own mean has taken the level out: there is no decibel left to add.
        level_response=response if statistics is None else np.zeros_like(response),
        class_weights=balanced_class_weights(targets) if settings.class_weights else None,
        batch_size=min(settings.batch_size, len(rows)),
        seed=own.seed,
        settings=settings.on_the_fly,
    )
    make_reproducible(own.seed)
    with training_scope(batches.batch_size):
        model = network.build(own, *rows.shape[1:])
        model.get_layer("standardize").mean.assign(fitted.mean)
        model.get_layer("standardize").deviation.assign(fitted.deviation)
        compile_network(
            model,
            epochs=own.epochs,
            steps_per_epoch=len(batches),
            learning_rate=settings.learning_rate,
            warmup_fraction=settings.warmup_fraction,
            weight_decay=settings.weight_decay,
            label_smoothing=settings.label_smoothing,
        )
    report(
        f"{network.name}: {model.count_params():,} parameters, {count_multiplications(model) / 1e6:.1f} million "
        f"multiplications a clip; {len(rows)} training rows, {len(validation)} validation clips"
    )
    history = fit(
        model,
        batches,
        (validation, clips.labels()[held_out]),
        epochs=own.epochs,
        patience_epochs=own.patience_epochs,
        progress=progress,
        save=save,
        report=report,
    )
    # The optimizer's state, twice the size of the network, ends here, and so does half precision.
    trained = network.build(own, *rows.shape[1:])
    trained.set_weights(model.get_weights())
    return trained, history


def prepared(network: Network, features: Features, clips: Clips, params) -> NDArray:
    """What a network reads of every clip, never of a copy: ``(clips, frames, columns)``, in memory."""
    columns = network.columns_of(params, features.table)
    return prepare_test(
        features.array,
        rows=list(range(len(clips.actors))),
        columns=columns,
        actors=clips.actors,
        statistics=speakers(features.array, clips, columns, params),
    )


def predict(network: Network, model: keras.Model, features: Features, clips: Clips, params) -> NDArray[np.float32]:
    """Probabilities ``(clips, emotions)`` of every clip, never of a copy."""
    columns, chunk = network.columns_of(params, features.table), 256
    statistics = speakers(features.array, clips, columns, params)
    parts = []
    for start in range(0, len(clips.actors), chunk):
        rows = list(range(start, min(start + chunk, len(clips.actors))))
        taken = prepare_test(
            features.array, rows=rows, columns=columns, actors=clips.actors[rows], statistics=statistics
        )
        parts.append(predict_probabilities(model, taken))
    return np.concatenate(parts)


def make_reproducible(seed: int) -> None:
    """Seed every generator, and ask TensorFlow for kernels that add in a fixed order."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
