"""One training and its predictions: the procedure that the stages and cross-validation share."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from ser.emotions import EMOTIONS
from ser.features.frame_features import feature_names, level_response
from ser.networks.cnn1d import cnn1d
from ser.networks.cnn2d import cnn2d
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


def column_names(network: str, params) -> list[str]:
    """Names of the columns of the features that a network can read, all of them."""
    if network == "cnn1d":
        features = params.features_1d
        return feature_names(n_mels=features.n_mels, n_mfcc=features.n_mfcc)
    return [f"log_mel_{band}" for band in range(params.spectrograms.n_mels)]


def chosen_columns(network: str, params) -> list[int]:
    """Columns that a network reads: of its families for the 1D network, all for the 2D one."""
    names = column_names(network, params)
    if network == "cnn2d":
        return list(range(len(names)))
    features = params.features_1d
    chosen = feature_names(params.train_cnn1d.families, n_mels=features.n_mels, n_mfcc=features.n_mfcc)
    return [names.index(name) for name in chosen]


def build(network: str, params, *, frames: int, features: int) -> keras.Model:
    """The untrained network that the parameters describe."""
    if network == "cnn1d":
        own = params.train_cnn1d
        return cnn1d(
            frames=frames,
            features=features,
            width=own.width,
            blocks=own.blocks,
            spatial_dropout=own.spatial_dropout,
            dropout=own.dropout,
        )
    own = params.train_cnn2d
    return cnn2d(
        frames=frames,
        mels=features,
        width=own.width,
        stages=own.stages,
        time_stride=own.time_stride,
        spatial_dropout=own.spatial_dropout,
        dropout=own.dropout,
    )


def speakers(features: NDArray, clips: Clips, network: str, params):
    """Statistics of every speaker from all of the speaker's clips, or ``None`` where they are not asked for."""
    if not params.training.speaker_normalization:
        return None
    columns = chosen_columns(network, params)
    return speaker_statistics(features[: len(clips.actors)][..., columns], clips.actors)


def train(
    network: str,
    features: NDArray,
    clips: Clips,
    params,
    *,
    progress: Progress,
    save: Callable[[Progress], None],
    report: Callable[[str], None],
) -> tuple[keras.Model, list[dict]]:
    """Train ``"cnn1d"`` or ``"cnn2d"`` on the training clips, choosing the epoch by validation.

    Parameters
    ----------
    features : shape ``(clips + copies, frames, features)``
    params : ``ser.params.Params``
    progress, save, report : see ``ser.training.fit.fit``

    Returns
    -------
    the model of the best epoch, and its history
    """
    settings, own = params.training, getattr(params, f"train_{network}")
    columns = chosen_columns(network, params)
    names = [column_names(network, params)[column] for column in columns]
    statistics = speakers(features, clips, network, params)
    rows, targets = prepare_train_data(
        features,
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
        features, rows=held_out, columns=columns, actors=clips.actors[held_out], statistics=statistics
    )
    fitted = fit_statistics(rows)
    mels = [column for column, name in enumerate(names) if name.startswith("log_mel")]
    block = params.features_1d if network == "cnn1d" else params.spectrograms
    response = level_response(names, n_mels=block.n_mels)
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
    shape = {"frames": rows.shape[1], "features": rows.shape[2]}
    make_reproducible(own.seed)
    with training_scope(batches.batch_size):
        model = build(network, params, **shape)
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
        f"{network}: {model.count_params():,} parameters, {count_multiplications(model) / 1e6:.1f} million "
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
    trained = build(network, params, **shape)
    trained.set_weights(model.get_weights())
    return trained, history


def prepared(network: str, features: NDArray, clips: Clips, params) -> NDArray:
    """What a network reads of every clip, never of a copy: ``(clips, frames, features)``, in memory."""
    rows = list(range(len(clips.actors)))
    return prepare_test(
        features,
        rows=rows,
        columns=chosen_columns(network, params),
        actors=clips.actors,
        statistics=speakers(features, clips, network, params),
    )


def predict(network: str, model: keras.Model, features: NDArray, clips: Clips, params) -> NDArray[np.float32]:
    """Probabilities ``(clips, emotions)`` of every clip, never of a copy."""
    statistics = speakers(features, clips, network, params)
    columns, chunk = chosen_columns(network, params), 256
    parts = []
    for start in range(0, len(clips.actors), chunk):
        rows = list(range(start, min(start + chunk, len(clips.actors))))
        taken = prepare_test(features, rows=rows, columns=columns, actors=clips.actors[rows], statistics=statistics)
        parts.append(predict_probabilities(model, taken))
    return np.concatenate(parts)


def make_reproducible(seed: int) -> None:
    """Seed every generator, and ask TensorFlow for kernels that add in a fixed order."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
