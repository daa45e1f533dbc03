"""Training on several devices; two virtual processors stand for two GPUs."""

import subprocess
import sys

import pytest
from conftest import ROOT

from ser.errors import InputError

PREPARE = """
import keras, numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from ser.training import devices
rng = np.random.default_rng(0)
"""

pytestmark = pytest.mark.network


def run_on_two_devices(code: str) -> str:
    """What ``code`` prints in a process that has two devices."""
    done = subprocess.run(
        [sys.executable, "-c", PREPARE + code],
        capture_output=True,
        text=True,
        cwd=ROOT / "tests",
        env={"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_step_on_two_devices_is_the_step_on_one():
    """Equal shares: the mean gradient over both is the gradient of the batch."""
    printed = run_on_two_devices("""
batch = rng.normal(size=(8, 5)).astype("f4"), np.eye(6, dtype="f4")[rng.integers(0, 6, 8)]
weights = []
for strategy in (tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), tf.distribute.get_strategy()):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(6)])
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    logs = [devices.train_on_batch(model, batch) for _ in range(3)]
    weights.append(model.get_weights()[0])
    print(len(devices.predict_on_batch(model, batch[0])), sorted(logs[0]), round(logs[-1]["loss"], 4))
print(np.abs(weights[0] - weights[1]).max() < 1e-6)
""")
    first, second, equal = printed.splitlines()
    assert first == second
    assert first.startswith("8 ['accuracy', 'loss']")
    assert equal == "True"


@pytest.mark.parametrize(("batch_size", "copies"), [(8, 2), (7, 1)])
def test_devices_take_equal_shares_in_half_precision(batch_size, copies):
    """The variables of the network stay float32, and what is built later is single precision again."""
    printed = run_on_two_devices(f"""
devices.gpus = lambda: ["CPU:0", "CPU:1"]
with devices.training_scope({batch_size}):
    layer = keras.layers.Dense(3)
    layer.build((None, 4))
    print(tf.distribute.get_strategy().num_replicas_in_sync, layer.compute_dtype, layer.kernel.dtype)
print(keras.layers.Dense(3).compute_dtype)
""")
    assert printed.split() == [str(copies), "float16", "float32", "float32"]


def test_the_whole_training_runs_on_two_devices():
    """A network trained there is saved in single precision and answers on one device."""
    printed = run_on_two_devices("""
from test_networks import tiny_params
from test_train_cnn1d import separable_experiment
from ser.networks.cnn1d import NETWORK
from ser.training.train import predict, train
from ser.training.fit import Progress
features, clips = separable_experiment()
params = tiny_params({"train_cnn1d.epochs": 2})
devices.gpus = lambda: ["CPU:0", "CPU:1"]
model, history = train(
    NETWORK, features, clips, params, progress=Progress(), save=lambda _: None, report=lambda _: None
)
probabilities = predict(NETWORK, model, features, clips, params)
precisions = {layer.compute_dtype for layer in model.layers}
print(len(history), precisions, probabilities.shape, np.isfinite(probabilities).all())
""")
    assert printed.split("\n")[0] == "2 {'float32'} (96, 6) True"


def test_precision_is_a_matter_of_the_machine(monkeypatch):
    from ser.training import devices

    monkeypatch.delenv("SER_PRECISION", raising=False)
    monkeypatch.setattr(devices, "gpus", list)
    assert devices.precision() == "float32"
    monkeypatch.setattr(devices, "gpus", lambda: ["GPU:0"])
    assert devices.precision() == "mixed_float16"
    monkeypatch.setenv("SER_PRECISION", "float32")
    assert devices.precision() == "float32"
    monkeypatch.setenv("SER_PRECISION", "half")
    with pytest.raises(InputError, match="SER_PRECISION is 'half'"):
        devices.precision()
