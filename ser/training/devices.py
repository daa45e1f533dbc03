"""Where a network trains: on every GPU in mixed precision, or on the CPU in single precision."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import keras
import numpy as np

from ser.errors import InputError

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


def gpus() -> list[str]:
    """Names of the GPUs at hand."""
    return keras.distribution.list_devices("gpu")


def precision() -> str:
    """What ``SER_PRECISION`` says, or mixed precision where there is a GPU (Micikevicius et al. 2018).

    No parameter: like the number of workers it is a matter of the machine. float16 runs on every GPU
    since 2017; Keras scales the loss so that small gradients survive.
    """
    wanted = os.environ.get("SER_PRECISION") or ("mixed_float16" if gpus() else "float32")
    if wanted not in PRECISIONS:
        raise InputError(f"SER_PRECISION is {wanted!r}: expected one of {', '.join(PRECISIONS)}, or unset.")
    return wanted


@contextmanager
def training_scope(batch_size: int) -> Iterator[None]:
    """What is built inside trains on the devices at hand.

    With several GPUs, TensorFlow's ``MirroredStrategy`` keeps a copy of the network on each; as many
    take part as divide ``batch_size`` evenly, so that every clip weighs the same.
    """
    found, policy = gpus(), keras.config.dtype_policy()
    count = max((count for count in range(1, len(found) + 1) if batch_size % count == 0), default=0)
    keras.config.set_dtype_policy(precision())
    try:
        with _mirrored(found[:count]):
            yield
    finally:
        keras.config.set_dtype_policy(policy)


def _mirrored(devices: list[str]):
    if len(devices) < 2 or keras.backend.backend() != "tensorflow":
        return nullcontext()
    import tensorflow

    return tensorflow.distribute.MirroredStrategy(devices).scope()


def train_on_batch(model: keras.Model, batch: tuple) -> dict[str, float]:
    """One step on a batch, each of the model's copies taking an equal share of it: its loss and accuracy."""
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is None or strategy.num_replicas_in_sync == 1:
        return model.train_on_batch(*batch, return_dict=True)
    copies = strategy.num_replicas_in_sync
    if model.train_function is None:
        # Keras makes the metrics' variables in fit and evaluate alone.
        model.evaluate(*(part[:copies] for part in batch), batch_size=copies, verbose=0)
        model.make_train_function()
    model.reset_metrics()
    shares = tuple(
        strategy.experimental_distribute_values_from_function(
            lambda context, part=part: part[context.replica_id_in_sync_group :: copies]
        )
        for part in batch
    )
    logs = model.train_function(iter([shares]))
    return {name: float(np.mean(value)) for name, value in logs.items()}


def predict_on_batch(model: keras.Model, features: np.ndarray) -> np.ndarray:
    """Logits of a batch; copies of the model on several devices all compute them, and one answer is taken."""
    return np.asarray(model.predict_on_batch(features))[: len(features)]
