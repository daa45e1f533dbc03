"""The precision that a network is trained in."""

import keras
import numpy as np
import pytest
from helpers import tiny_params
from separable import separable_experiment

from ser.networks.cnn1d import NETWORK
from ser.training.devices import training_scope
from ser.training.fit import Session, every_layer
from ser.training.train import predict, train

pytestmark = pytest.mark.network


def test_bfloat16_keeps_its_variables_and_what_is_built_later_in_single_precision():
    with training_scope("bfloat16"):
        layer = keras.layers.Dense(3)
        layer.build((None, 4))
    assert (layer.compute_dtype, layer.kernel.dtype) == ("bfloat16", "float32")
    assert keras.layers.Dense(3).compute_dtype == "float32"


@pytest.mark.training
def test_a_network_trained_in_bfloat16_is_saved_in_single_precision():
    features, clips = separable_experiment()
    params = tiny_params({"train_cnn1d.epochs": 2, "training.precision": "bfloat16"})
    model, history = train(NETWORK, features, clips, params, Session())
    assert len(history) == 2
    assert {layer.compute_dtype for layer in every_layer(model)} == {"float32"}
    assert np.isfinite(predict(NETWORK, model, features, clips, params)).all()


def test_the_precision_is_that_of_the_parameters_on_every_machine(monkeypatch):
    """No variable of the environment and no processor chooses another one."""
    monkeypatch.setenv("SER_PRECISION", "mixed_bfloat16")
    with training_scope("float32"):
        assert keras.layers.Dense(3).compute_dtype == "float32"
