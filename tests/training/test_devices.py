"""The precision that a device trains in."""

import keras
import numpy as np
import pytest
from helpers import tiny_params
from separable import separable_experiment

from ser.errors import InputError
from ser.networks.cnn1d import NETWORK
from ser.training.fit import Session, every_layer
from ser.training.train import predict, train

pytestmark = pytest.mark.network


def test_training_in_half_precision_keeps_its_variables_and_what_is_built_later_whole(monkeypatch):
    from ser.training import devices

    monkeypatch.setenv("SER_PRECISION", "mixed_float16")
    with devices.training_scope():
        layer = keras.layers.Dense(3)
        layer.build((None, 4))
    assert (layer.compute_dtype, layer.kernel.dtype) == ("float16", "float32")
    assert keras.layers.Dense(3).compute_dtype == "float32"


@pytest.mark.training
def test_a_network_trained_in_half_precision_is_saved_in_single(monkeypatch):
    monkeypatch.setenv("SER_PRECISION", "mixed_bfloat16")  # a processor knows it, too
    features, clips = separable_experiment()
    params = tiny_params({"train_cnn1d.epochs": 2})
    model, history = train(NETWORK, features, clips, params, Session())
    assert len(history) == 2
    assert {layer.compute_dtype for layer in every_layer(model)} == {"float32"}
    assert np.isfinite(predict(NETWORK, model, features, clips, params)).all()


def test_precision_is_a_matter_of_the_machine(monkeypatch):
    from ser.training import devices

    monkeypatch.delenv("SER_PRECISION", raising=False)
    monkeypatch.setattr(devices, "gpus", list)
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda: False)
    assert devices.precision() == "float32"
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda: True)
    assert devices.precision() == "mixed_bfloat16"
    monkeypatch.setattr(devices, "gpus", lambda: ["GPU:0"])
    assert devices.precision() == "mixed_float16"
    monkeypatch.setenv("SER_PRECISION", "float32")
    assert devices.precision() == "float32"
    monkeypatch.setenv("SER_PRECISION", "half")
    with pytest.raises(InputError, match="SER_PRECISION is 'half'"):
        devices.precision()


@pytest.mark.parametrize(
    ("content", "has"),
    [
        ("processor: 0\nflags\t\t: fpu avx512f avx512_bf16 erms\n", True),
        ("flags : fpu amx_bf16\n", True),
        ("flags : fpu avx512f\nbugs : avx512_bf16\n", False),
        ("", False),
    ],
)
def test_a_processor_says_whether_it_multiplies_bfloat16(monkeypatch, tmp_path, content, has):
    from ser.training import devices

    monkeypatch.setattr(devices, "PROCESSOR", tmp_path / "cpuinfo")
    assert not devices.multiplies_bfloat16()  # no such file, as on a Mac
    (tmp_path / "cpuinfo").write_text(content)
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    assert devices.multiplies_bfloat16() is has
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert not devices.multiplies_bfloat16()
