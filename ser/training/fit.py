"""Fitting a network: schedule, epochs, early stopping on validation UAR, and resuming."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ser.features.relative import Answer
from ser.networks.network import NetworkSettings
from ser.networks.speaker import SpeakerNetwork
from ser.scoring.scores import accuracy, confusion, unweighted_average_recall
from ser.training.batches import Batches

PREDICTION_BATCH = 256


@dataclass
class Progress:
    """All that a training needs to go on where it stopped, after ``len(history)`` epochs.

    ``variables`` are the network's and the optimizer's values; ``best`` the weights of the epoch with
    the highest validation UAR so far.
    """

    history: list[dict] = field(default_factory=list)
    variables: list[NDArray] = field(default_factory=list)
    best: list[NDArray] = field(default_factory=list)


@dataclass(frozen=True)
class Session:
    """Where a training begins, and who is told how it goes.

    Attributes
    ----------
    progress : empty, or what an interrupted training saved
    save : called after every epoch with all that is needed to resume
    report : called after every epoch with one line
    callbacks : Keras callbacks; they see the training's network, and the history's row as logs, and may set
        ``model.stop_training``
    """

    progress: Progress = field(default_factory=Progress)
    save: Callable[[Progress], None] = lambda progress: None
    report: Callable[[str], None] = lambda line: None
    callbacks: Sequence[keras.callbacks.Callback] = ()


class Confusion(keras.metrics.Metric):
    """Counts of a batch ``(emotions, emotions)``: a row an emotion that was meant, of a mixed clip the larger share."""

    def __init__(self, emotions: int):
        super().__init__(name="confusion")
        self.counts = self.add_variable((emotions, emotions), initializer="zeros", name="counts")

    def update_state(self, targets, logits, sample_weight=None) -> None:
        """Count the clips of a batch; weights of classes count for nothing."""
        emotions = self.counts.shape[0]
        actual, predicted = (ops.one_hot(ops.argmax(values, axis=-1), emotions) for values in (targets, logits))
        self.counts.assign_add(ops.cast(ops.transpose(actual) @ predicted, self.counts.dtype))

    def result(self):
        """The counts."""
        return ops.convert_to_tensor(self.counts)


def compile_network(
    model: keras.Model,
    *,
    epochs: int,
    steps_per_epoch: int,
    learning_rate: float,
    warmup_fraction: float,
    weight_decay: float,
    label_smoothing: float,
) -> None:
    """AdamW (Loshchilov and Hutter 2019) under a linear warm-up and a cosine decay over all steps.

    Batch normalisation averages its running statistics over about an epoch: over enough batches, and
    over few enough that validation sees the statistics of now, on a small corpus too.
    """
    for layer in every_layer(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = float(np.clip(1 - 1 / steps_per_epoch, 0.9, 0.99))
    steps = epochs * steps_per_epoch
    warmup = min(round(warmup_fraction * steps), steps - 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / 25 if warmup else learning_rate,
        decay_steps=steps - warmup,
        alpha=0.001,
        warmup_target=learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=weight_decay),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing),
        metrics=[Confusion(model.output.shape[-1])],
    )
    model.optimizer.build(model.trainable_variables)


def every_layer(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a model, and those of the models inside it."""
    for layer in model.layers:
        yield from every_layer(layer) if isinstance(layer, keras.Model) else [layer]


def fit(
    model: SpeakerNetwork,
    batches: Batches,
    validation: tuple[NDArray, NDArray[np.int64]],
    settings: NetworkSettings,
    session: Session,
) -> list[dict]:
    """Train for ``settings.epochs``, or until validation UAR has not risen for ``settings.patience_epochs``.

    The model ends with the weights of its best epoch, judged by clips that are measured against themselves.

    Parameters
    ----------
    model : its training form compiled
    validation : features ``(clips, frames, features)`` and emotion numbers ``(clips,)``

    Returns
    -------
    one dict an epoch: ``epoch, loss, accuracy, uar`` of the training clips, altered and mixed as they are, and
    ``validation_loss, validation_accuracy, validation_uar``
    """
    _restore(model.training, session.progress.variables)
    history, best = session.progress.history, session.progress.best
    callbacks = keras.callbacks.CallbackList(list(session.callbacks), model=model.training)
    callbacks.on_train_begin()
    model.training.stop_training = False
    while len(history) < settings.epochs and not _exhausted(history, settings.patience_epochs):
        start = time.perf_counter()
        callbacks.on_epoch_begin(len(history))
        row, waiting = _train_epoch(model.training, batches, epoch=len(history))
        row |= _validate(model.answering, *validation)
        row = {key: round(float(value), 5) for key, value in row.items()} | {"epoch": len(history) + 1}
        if row["validation_uar"] > max((past["validation_uar"] for past in history), default=-1):
            best = model.answering.get_weights()
        history.append(row)
        session.save(Progress(history, [np.asarray(v) for v in _variables(model.training)], best))
        session.report(
            f"epoch {row['epoch']}/{settings.epochs}: loss {row['loss']:.3f}, UAR {row['uar']:.3f}; "
            f"validation loss {row['validation_loss']:.3f}, UAR {row['validation_uar']:.3f}; "
            f"{time.perf_counter() - start:.1f} s, {waiting:.0%} waiting for input"
        )
        callbacks.on_epoch_end(len(history) - 1, row)
        if model.training.stop_training:
            break
    callbacks.on_train_end(history[-1] if history else None)
    model.answering.set_weights(best)
    return history


def answer_with(model: keras.Model) -> Answer:
    """A network's logits and sums, batch by batch; see ``ser.features.relative``."""

    def answer(features: NDArray, references: NDArray) -> tuple[NDArray, NDArray]:
        parts = [
            model.predict_on_batch([features[start:stop].astype(np.float32), references[start:stop]])
            for start, stop in pairwise([*range(0, len(features), PREDICTION_BATCH), len(features)])
        ]
        logits, said = (np.concatenate(values) for values in zip(*parts, strict=True))
        return logits, said

    return answer


def predict_probabilities(
    model: keras.Model, features: NDArray, references: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Probabilities ``(clips, emotions)``.

    Parameters
    ----------
    model : see ``ser.networks.speaker.SpeakerNetwork.answering``
    features : shape ``(clips, frames, columns)``
    references : sums over the reference clips of each, shape ``(clips, sums)``; with none, a clip is measured
        against itself
    """
    if references is None:
        references = np.zeros((len(features), model.input_shape[1][1]), np.float32)
    logits, _ = answer_with(model)(features, references)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def count_multiplications(model: keras.Model) -> int:
    """Multiplications of one clip's forward pass in convolutions and dense layers."""
    counted = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Dense)
    return sum(
        int(np.prod(layer.output.shape[1:])) * int(np.prod(layer.kernel.shape[:-1]))
        for layer in every_layer(model)
        if isinstance(layer, counted)
    )


def _train_epoch(model: keras.Model, batches: Batches, *, epoch: int) -> tuple[dict, float]:
    """One pass over the batches: its mean loss and its scores, and the share of time spent waiting for input."""
    start, waited, logs = time.perf_counter(), 0.0, []
    for batch, seconds in _prepared(batches, epoch):
        waited += seconds
        logs.append(model.train_on_batch(*batch, return_dict=True))
    counts = np.sum([log["confusion"] for log in logs], axis=0)
    row = {
        "epoch": epoch + 1,
        "loss": np.mean([log["loss"] for log in logs]),
        "accuracy": accuracy(counts),
        "uar": unweighted_average_recall(counts),
    }
    return row, waited / (time.perf_counter() - start)


def _prepared(batches: Batches, epoch: int) -> Iterator[tuple[tuple, float]]:
    """Batches, each prepared by a thread while the one before is trained on, and the wait for each.

    NumPy's matrix products keep to that one thread: theirs would spin on the processors that train. TensorFlow has
    threads of its own.
    """
    with ThreadPoolExecutor(1) as thread, threadpool_limits(1, user_api="blas"):
        ahead = thread.submit(batches.batch, epoch, 0)
        for index in range(len(batches)):
            start = time.perf_counter()
            batch = ahead.result()
            waited = time.perf_counter() - start
            if index + 1 < len(batches):
                ahead = thread.submit(batches.batch, epoch, index + 1)
            yield batch, waited


def _validate(model: keras.Model, features: NDArray, actual: NDArray[np.int64]) -> dict:
    probabilities = predict_probabilities(model, features)
    counts = confusion(actual, probabilities.argmax(axis=1), probabilities.shape[1])
    likelihood = probabilities[np.arange(len(actual)), actual]
    return {
        "validation_loss": -np.log(np.maximum(likelihood, 1e-7)).mean(),
        "validation_accuracy": accuracy(counts),
        "validation_uar": unweighted_average_recall(counts),
    }


def _exhausted(history: list[dict], patience_epochs: int) -> bool:
    scores = [row["validation_uar"] for row in history]
    return bool(scores) and len(scores) - 1 - int(np.argmax(scores)) >= patience_epochs


def _variables(model: keras.Model) -> list:
    return [*model.variables, *model.optimizer.variables]


def _restore(model: keras.Model, values: list[NDArray]) -> None:
    if values:
        for variable, value in zip(_variables(model), values, strict=True):
            variable.assign(value)


def balanced_class_weights(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights inverse to each emotion's share of the targets, with mean 1 over the rows."""
    share = targets.mean(axis=0)
    return (1 / (targets.shape[1] * np.maximum(share, 1e-6))).astype(np.float32)
