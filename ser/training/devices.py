"""Where a network trains, and in which precision."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import keras

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}  # variables stay in single precision


def gpus() -> list[str]:
    """Names of the GPUs at hand."""
    try:
        return keras.distribution.list_devices("gpu")
    except RuntimeError:  # so says JAX that there is none
        return []


@contextmanager
def training_scope(precision: Literal["float32", "bfloat16"]) -> Iterator[None]:
    """What is built inside computes in this precision.

    bfloat16 has the range of single precision (Kalamkar et al. 2019), so the loss needs no scaling. It is faster on
    GPUs since 2020 and on processors that multiply it (``avx512_bf16`` or ``amx_bf16``), and slower on others.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
