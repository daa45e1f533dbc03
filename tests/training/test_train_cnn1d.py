"""Training data, and both networks' common training procedure."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from helpers import tiny_params
from separable import separable_experiment

from ser import artifacts
from ser.emotions import EMOTIONS
from ser.networks.cnn1d import NETWORK
from ser.training.data import Clips, Copies, Pool, emotion_targets, prepare_test, prepare_train_data
from ser.training.fit import Progress, Session
from ser.training.train import Features, predict, train

pytestmark = pytest.mark.training

LABELS = np.array([0, 2, 0, 5])
SUBSETS = ["train", "validation", "train", "test"]


@pytest.fixture
def features(rng) -> np.ndarray:
    """Four clips and two copies of each; 6 frames, the last two of padding; 5 features."""
    values = rng.uniform(1, 9, (12, 6, 5)).astype(np.float16)
    values[:, 4:] = 0
    return values


def pool(features: np.ndarray, *, wanted=(), columns=(0, 1, 2, 3, 4), **changes) -> Pool:
    clips = Clips(
        emotions=EMOTIONS,
        labels=LABELS,
        actors=np.array([1, 2, 3, 4]),
        votes=np.zeros((4, 6), int),
        subsets=SUBSETS,
        copies=Copies(np.repeat(np.arange(4), 2), ["noise", "device 1"] * 4),
    )
    targets = emotion_targets(LABELS, clips.votes, soft_labels=0)
    return prepare_train_data(features, targets, replace(clips, **changes), wanted=wanted, columns=list(columns))


def test_only_training_clips_train(features):
    found = pool(features)
    np.testing.assert_array_equal(found.features[found.rows[:, 0]], features[[0, 2]])
    assert found.rows.shape == (2, 1)
    assert found.labels.tolist() == [0, 0]
    assert found.actors.tolist() == [1, 3]


def test_copies_of_training_clips_and_no_others_join(features):
    found = pool(features, wanted=["device"])
    np.testing.assert_array_equal(found.features[found.rows[:, 1]], features[[4 + 1, 4 + 5]])
    assert found.rows.shape == (2, 2)
    assert len(found.features) == 4


def test_columns_are_chosen(features):
    np.testing.assert_array_equal(pool(features, columns=[4, 1]).features, features[[0, 2]][..., [4, 1]])


def test_soft_labels_mix_the_votes_in():
    votes = np.array([[3, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    targets = emotion_targets(np.array([2, 0]), votes, soft_labels=0.5)
    np.testing.assert_allclose(targets[0], [0.375, 0.125, 0.5, 0, 0, 0])
    np.testing.assert_allclose(targets[1], [1, 0, 0, 0, 0, 0])


def test_rows_to_score_keep_their_order(features):
    rows = prepare_test(features, rows=[3, 1], columns=[0, 1, 2, 3, 4])
    np.testing.assert_array_equal(rows, features[[3, 1]])


@pytest.fixture(scope="module")
def experiment() -> tuple[Features, Clips]:
    return separable_experiment()


class Killed(Exception):
    """Stands for the end of the process."""


def trained(experiment, *, progress: Progress, stop_after: int | None = None, epochs: int = 4):
    """Train, keeping what is saved; optionally die after an epoch."""
    saved = []

    def save(state: Progress) -> None:
        saved.append(Progress(list(state.history), list(state.variables), list(state.best)))
        if len(state.history) == stop_after:
            raise Killed

    try:
        params = tiny_params({"train_cnn1d.epochs": epochs})
        model, history = train(NETWORK, *experiment, params, Session(progress, save))
    except Killed:
        return None, None, saved
    return model, history, saved


def test_a_resumed_training_equals_an_uninterrupted_one(experiment):
    whole, history, _ = trained(experiment, progress=Progress())
    _, _, saved = trained(experiment, progress=Progress(), stop_after=2)
    resumed, resumed_history, after = trained(experiment, progress=saved[-1])
    assert len(after) == 2
    assert resumed_history == history
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_tied_best_epoch_is_the_first(experiment, monkeypatch):
    """The weights that are kept are those of the epoch that the history names."""
    monkeypatch.setattr("ser.training.fit.unweighted_average_recall", lambda _: 1 / 3)
    _, history, saved = trained(experiment, progress=Progress(), epochs=3)
    assert [row["validation_uar"] for row in history] == [0.33333] * 3
    for first, last in zip(saved[0].best, saved[-1].best, strict=True):
        np.testing.assert_array_equal(first, last)


def test_what_a_network_learns_is_of_training_rows_only(experiment):
    features, clips = experiment
    changed = features.array.copy()
    changed[72:] += 10  # test
    weights = []
    for given in (features, replace(features, array=changed)):
        model, _, _ = trained((given, clips), progress=Progress(), epochs=1)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_network_learns_and_its_file_predicts_the_same(experiment, tmp_path):
    features, clips = experiment
    off: dict = {f"training.on_the_fly.{key}": 0 for key in ("mel_masks", "time_masks", "mixup_alpha", "max_warp")}
    off |= {"train_cnn1d.dropout": 0.0, "train_cnn1d.spatial_dropout": 0.0, "training.enrolment.p_none": 1.0}
    params = tiny_params({"train_cnn1d.epochs": 40, "train_cnn1d.patience_epochs": 40, **off})
    model, history = train(NETWORK, features, clips, params, Session())
    assert max(row["validation_uar"] for row in history) > 0.6
    probabilities = predict(NETWORK, model, features, clips, params)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    for name in ("a.keras", "b.keras"):
        artifacts.write_model(tmp_path / name, model)
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    loaded = artifacts.read_model(tmp_path / "a.keras")
    np.testing.assert_allclose(predict(NETWORK, loaded, features, clips, params), probabilities, atol=1e-6)


def test_training_stops_when_validation_no_longer_rises(experiment):
    features, clips = experiment
    noise = np.random.default_rng(0).permutation(features.array[..., ::-1])
    params = tiny_params({"train_cnn1d.epochs": 40, "train_cnn1d.patience_epochs": 2})
    _, history = train(NETWORK, replace(features, array=noise), clips, params, Session())
    scores = [row["validation_uar"] for row in history]
    assert len(history) < 40
    assert len(history) - 1 - int(np.argmax(scores)) == 2


def test_callbacks_see_every_epoch_and_may_end_the_training(experiment):
    class Watcher(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seen = []

        def on_epoch_end(self, epoch, logs=None):
            self.seen.append((epoch, logs["validation_uar"]))
            self.model.stop_training = epoch == 1

    watcher, own = Watcher(), Watcher()
    network = replace(NETWORK, callbacks=lambda settings: [own])
    params = tiny_params({"train_cnn1d.epochs": 5})
    _, history = train(network, *experiment, params, Session(callbacks=[watcher]))
    assert watcher.seen == own.seen == [(number, row["validation_uar"]) for number, row in enumerate(history)]
    assert len(history) == 2
