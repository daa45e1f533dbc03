import numpy as np
import pytest
from conftest import ROOT

from ser.params import load
from ser.training.batches import Batches
from ser.training.data import Statistics
from ser.training.on_the_fly import change_level, mask, mixup, warp_frequency, warp_time


@pytest.fixture
def batch(rng) -> np.ndarray:
    """Four clips of 40 sounding frames and 10 of padding, 16 features."""
    values = rng.uniform(10, 60, (4, 50, 16)).astype(np.float32)
    values[:, 40:] = 0
    return values


def test_warp_time_without_draws_changes_nothing(batch, rng):
    np.testing.assert_allclose(warp_time(batch, max_rate=0, max_shift=0, rng=rng), batch)


def test_warp_time_moves_a_click_by_the_drawn_speed(rng):
    click = np.zeros((200, 50, 1), np.float32)
    click[:, 30] = 1
    warped = warp_time(click, max_rate=0.2, max_shift=0, rng=rng)
    place = (warped[..., 0] * np.arange(50)).sum(axis=1) / warped[..., 0].sum(axis=1)
    assert 30 / 1.2 - 1 < place.min() < 27
    assert 33 < place.max() < 30 / 0.8 + 1


def test_warp_time_never_wraps_around(rng):
    late = np.zeros((100, 50, 1), np.float32)
    late[:, 45:] = 1
    assert not warp_time(late, max_rate=0, max_shift=20, rng=rng)[:, :20].any()


def test_warp_frequency_moves_a_band(rng):
    tone = np.zeros((100, 1, 64), np.float32)
    tone[..., 40] = 1
    peaks = warp_frequency(tone, max_rate=0.1, rng=rng)[:, 0].argmax(axis=-1)
    assert peaks.min() < 39
    assert peaks.max() > 41
    assert peaks.min() >= 40 / 1.1 - 1
    assert peaks.max() <= 40 / 0.9 + 1
    np.testing.assert_array_equal(warp_frequency(tone, max_rate=0, rng=rng), tone)


def test_change_level_adds_decibel_where_there_is_sound(batch, rng):
    response = np.zeros(16, np.float32)
    response[:8] = 1
    change = change_level(batch, max_db=6, response=response, rng=rng) - batch
    assert not change[:, 40:].any()
    assert not change[..., 8:].any()
    np.testing.assert_allclose(change[:, :40, :8], np.broadcast_to(change[:, :1, :1], (4, 40, 8)), atol=1e-4)
    assert len(np.unique(change[:, 0, 0])) == 4
    assert np.abs(change).max() <= 6.001


@pytest.mark.parametrize("axis", [1, 2])
def test_mask_hides_whole_stretches(batch, rng, axis):
    masked = mask(batch + 1, axis=axis, masks=2, max_width=5, fill=np.full(16, -1, np.float32), rng=rng)
    hidden = masked == -1
    other = 3 - axis
    np.testing.assert_array_equal(hidden.all(axis=other), hidden.any(axis=other))
    assert 0 < hidden.all(axis=other).sum(axis=1).max() <= 10


def test_mixup_keeps_targets_distributions_and_the_larger_share(batch, rng):
    targets = np.eye(4, dtype=np.float32)
    mixed, mixed_targets = mixup(batch, targets, alpha=1.0, rng=rng)
    np.testing.assert_allclose(mixed_targets.sum(axis=1), 1, rtol=1e-6)
    assert (mixed_targets.argmax(axis=1) == np.arange(4)).all()
    np.testing.assert_allclose(mixed, np.einsum("ij,jkl->ikl", mixed_targets, batch), rtol=1e-4)


def test_batches_depend_on_seed_epoch_and_number_alone(batch):
    def make(seed: int) -> Batches:
        return Batches(
            np.tile(batch, (5, 1, 1)).astype(np.float16),
            np.tile(np.eye(4, 6, dtype=np.float32), (5, 1)),
            statistics=Statistics(np.zeros(16, np.float32), np.ones(16, np.float32)),
            mel_columns=slice(0, 12),
            level_response=np.ones(16, np.float32),
            class_weights=None,
            batch_size=8,
            seed=seed,
            settings=load(ROOT / "params.yaml").training.on_the_fly,
        )

    first, again, other = make(0), make(0), make(1)
    assert len(first) == 2
    first.batch(0, 0)
    np.testing.assert_array_equal(first.batch(3, 1)[0], again.batch(3, 1)[0])
    assert not np.array_equal(first.batch(3, 1)[0], first.batch(4, 1)[0])
    assert not np.array_equal(first.batch(3, 1)[0], other.batch(3, 1)[0])
    assert first.batch(0, 0)[0].dtype == np.float32
