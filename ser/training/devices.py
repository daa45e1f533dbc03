"""Where a network trains, and in which precision: mixed where the device multiplies faster that way, else single."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from ser.errors import InputError

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}  # of processors since 2020
PROCESSOR = Path("/proc/cpuinfo")


def gpus() -> list[str]:
    """Names of the GPUs at hand."""
    try:
        return keras.distribution.list_devices("gpu")
    except RuntimeError:  # so says JAX that there is none
        return []


def multiplies_bfloat16() -> bool:
    """Whether an x86 processor has instructions that multiply bfloat16 in half the time, and TensorFlow uses them.

    Only Linux says so. Without oneDNN TensorFlow knows no such instructions.
    """
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0" or not PROCESSOR.exists():
        return False
    flags = next((line for line in PROCESSOR.read_text().splitlines() if line.startswith("flags")), "")
    return not BFLOAT16_FLAGS.isdisjoint(flags.split())


def precision() -> str:
    """What ``SER_PRECISION`` says, or mixed precision where the device is made for it.

    No parameter: like the number of workers it is a matter of the machine. float16 runs on every GPU since 2017
    (Micikevicius et al. 2018); Keras scales the loss so that small gradients survive. bfloat16 has the range of
    single precision (Kalamkar et al. 2019); of the backends only TensorFlow uses it on processors.
    """
    processor = "mixed_bfloat16" if keras.backend.backend() == "tensorflow" and multiplies_bfloat16() else "float32"
    wanted = os.environ.get("SER_PRECISION") or ("mixed_float16" if gpus() else processor)
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
