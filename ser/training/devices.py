"""Where a network trains: on a GPU in mixed precision, or on the CPU in single precision."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import keras

from ser.errors import InputError

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


def gpus() -> list[str]:
    """Names of the GPUs at hand."""
    try:
        return keras.distribution.list_devices("gpu")
    except RuntimeError:  # so says JAX that there is none
        return []


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
def training_scope() -> Iterator[None]:
    """What is built inside trains in the precision of the device at hand."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision())
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
