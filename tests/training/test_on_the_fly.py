from types import SimpleNamespace

import numpy as np
import pytest
from helpers import ROOT

from ser.params import load
from ser.training.batches import Batches, draw_enrolment, draw_mixing
from ser.training.data import Pool
from ser.training.on_the_fly import Columns, warp_frequency, warp_time


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


NO_ENROLMENT = dict.fromkeys(
    ("p_none", "p_neutral", "p_one_emotion", "p_two_emotions", "p_other_speaker", "p_mixed_channels"), 0.0
)
SETTINGS = load(ROOT / "params.yaml").training.model_copy(update={"enrolment": SimpleNamespace(**NO_ENROLMENT)})


def pool_of(features: np.ndarray, *, clips: int, versions: int) -> Pool:
    """Clips of five actors, of all emotions in turn."""
    labels = np.arange(clips) % 6
    rows = np.arange(clips * versions).reshape(versions, clips).T
    actors = np.arange(clips) * 5 // clips
    return Pool(
        np.resize(features, (clips * versions, 50, 16)), rows, np.eye(6, dtype=np.float32)[labels], actors, labels
    )


def make(features: np.ndarray, *, seed: int = 0, versions: int = 1, **changes) -> Batches:
    settings = SETTINGS.model_copy(update={"batch_size": 20, "group_clips": 6} | changes)
    pool = pool_of(features, clips=60, versions=versions)
    return Batches(pool, columns=Columns((0, 12), 0.016), class_weights=None, neutral=4, seed=seed, settings=settings)


def test_batches_depend_on_seed_epoch_and_number_only(batch):
    first, again, other = make(batch), make(batch), make(batch, seed=1)
    assert len(first) == 3
    first.batch(0, 0)
    for one, two in zip(first.batch(3, 1)[0], again.batch(3, 1)[0], strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first.batch(3, 1)[0][0], first.batch(4, 1)[0][0])
    assert not np.array_equal(first.batch(3, 1)[0][0], other.batch(3, 1)[0][0])
    assert first.batch(0, 0)[0][0].dtype == np.float32


def test_an_epoch_has_every_clip_once_and_a_group_one_actor_and_one_version(batch):
    batches = make(batch, versions=4)
    clips, versions, groups = batches.order(2)
    assert sorted(clips) == list(range(60))
    for group in np.unique(groups):
        own = groups == group
        assert len(np.unique(batches.pool.actors[clips[own]])) == len(np.unique(versions[own])) == 1
        assert 2 <= own.sum() <= 6
    assert len(np.unique(versions)) > 2


def test_clips_as_recorded_have_their_share(batch):
    drawn = np.concatenate([make(batch, versions=4, original_share=0.25).order(epoch)[1] for epoch in range(200)])
    assert np.mean(drawn == 0) == pytest.approx(0.25, abs=0.03)
    assert [np.mean(drawn == version) for version in (1, 2, 3)] == pytest.approx([0.25] * 3, abs=0.03)


def enrolment(labels: list[int], groups: list[int], draws: int = 300, **shares: float) -> np.ndarray:
    settings = SimpleNamespace(**NO_ENROLMENT | shares)
    rng = np.random.default_rng(0)
    return np.stack(
        [draw_enrolment(np.array(groups), np.array(labels), settings, rng, emotions=6, neutral=4) for _ in range(draws)]
    )


def test_enrolment_clips_are_other_clips_of_the_group():
    drawn = enrolment([0, 1, 2, 3, 4, 5] * 2, [0] * 6 + [1] * 6)
    assert not np.einsum("dii->di", drawn).any()
    assert not drawn[:, :6, 6:].any()
    assert not drawn[:, 6:, :6].any()
    assert set(drawn.sum(axis=2).ravel()) == {1, 2, 4, 5}
    assert 0.25 < (enrolment([0] * 6, [0] * 6, p_none=0.3).sum(axis=2) == 0).mean() < 0.35


def test_neutral_enrolment_is_neutral():
    labels = [0, 1, 2, 3, 4, 4, 4, 5]
    chosen = enrolment(labels, [0] * 8, p_neutral=1.0).sum(axis=(0, 1))
    assert (chosen > 0).tolist() == [label == 4 for label in labels]


@pytest.mark.parametrize(("share", "most"), [("p_one_emotion", 1), ("p_two_emotions", 2)])
def test_enrolment_of_some_emotions_has_no_more(share, most):
    labels = np.array([0, 1, 2, 3, 4, 5] * 3)
    counts = [
        len(np.unique(labels[drawn > 0]))
        for drawn in enrolment(labels.tolist(), [0] * 18, draws=50, **{share: 1.0}).reshape(-1, 18)
    ]
    assert max(counts) == most


def test_another_speaker_is_at_most_a_quarter_of_an_enrolment():
    groups = [0] * 10 + [1] * 10
    drawn = enrolment([0] * 20, groups, p_other_speaker=1.0)
    own, other = drawn[:, :10, :10].sum(axis=2), drawn[:, :10, 10:].sum(axis=2)
    assert (other >= 1).all()
    assert (other <= np.ceil(0.25 * own)).all()


def test_groups_of_mixed_channels_have_several_versions(batch):
    mixed = SimpleNamespace(**NO_ENROLMENT | {"p_mixed_channels": 1.0})
    _, versions, groups = make(batch, versions=4, enrolment=mixed).order(0)
    assert max(len(np.unique(versions[groups == group])) for group in np.unique(groups)) > 1


def test_mixing_keeps_the_larger_share():
    mixing = draw_mixing(50, 1.0, np.random.default_rng(0))
    np.testing.assert_allclose(mixing.sum(axis=1), 1, rtol=1e-6)
    assert (np.diag(mixing) >= 0.5).all()
    assert ((mixing > 0).sum(axis=1) <= 2).all()
    np.testing.assert_array_equal(draw_mixing(5, 0.0, np.random.default_rng(0)), np.eye(5))


def test_targets_are_mixed_as_the_clips_are(batch):
    batches = make(batch)
    (_, _, mixing), targets = batches.batch(0, 1)
    clips = batches.order(0)[0][20:40]
    np.testing.assert_allclose(targets, mixing @ batches.pool.targets[clips])
