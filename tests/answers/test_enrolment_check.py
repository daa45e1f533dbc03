"""Warnings about profiles: whose clips are mixed, few or unvoiced, and recordings that are far from one."""

import numpy as np
import pytest
import soundfile
from helpers import ROOT, SAMPLE_RATE

import ser
from ser import artifacts
from ser.answers.enrolment_check import FEW, MIXED, OTHER_VOICE, UNVOICED, clip_statistics, distance, set_distance
from ser.answers.opening import open_bundle

CLIPS = ROOT.parent / "shared" / "crema-d" / "AudioWAV"
COLUMNS = 5


def sums_of(frames: np.ndarray) -> np.ndarray:
    """Count, sum and sum of squares of frames ``(clips, frames, columns)``."""
    count = np.full((len(frames), frames.shape[2]), frames.shape[1])
    return np.concatenate([count, frames.sum(axis=1), (frames**2).sum(axis=1)], axis=1).astype(np.float32)


def test_statistics_are_the_mean_and_the_log_deviation(rng):
    frames = rng.normal(3.0, 2.0, (4, 500, COLUMNS))
    statistics = clip_statistics(sums_of(frames))
    np.testing.assert_allclose(statistics[:, :COLUMNS], frames.mean(axis=1), rtol=1e-4)
    np.testing.assert_allclose(statistics[:, COLUMNS:], np.log(frames.std(axis=1) + 0.05), atol=1e-3)


def test_a_clip_of_the_same_voice_is_near_and_another_far(rng):
    projection = np.eye(COLUMNS, 2 * COLUMNS)  # the means, which vary by 1 from clip to clip
    voice = rng.normal(0, 1, (200, 1, COLUMNS)) + 0.1 * rng.standard_normal((200, 50, COLUMNS))
    sums = sums_of(voice)
    near = distance(sums[:100], np.repeat(sums[100:].sum(axis=0)[None], 100, axis=0), 100, projection)
    assert near.mean() == pytest.approx(1, abs=0.2)
    far = distance(sums_of(voice[:1] + 6), sums[100:].sum(axis=0)[None], 100, projection)
    assert far[0] > 10
    assert set_distance(sums[:8], projection) < set_distance(
        np.concatenate([sums[:4], sums_of(voice[4:8] + 6)]), projection
    )


@pytest.fixture(scope="module")
def clips() -> dict[str, list[np.ndarray]]:
    """Eight clips each of two women, whom the networks of the package may know."""
    if not CLIPS.is_dir():
        pytest.skip("no real speech in ../shared/crema-d")
    return {
        actor: [soundfile.read(path, dtype="float32")[0] for path in sorted(CLIPS.glob(f"{actor}_*.flac"))[::9][:8]]
        for actor in ("1004", "1007")
    }


@pytest.mark.real_speech
def test_one_voice_raises_no_warning_and_two_voices_do(clips):
    model = ser.load()
    one = model.calibrate(clips["1004"], SAMPLE_RATE)
    assert one.warnings == ()
    mixed = model.calibrate(clips["1004"][:4] + clips["1007"][:4], SAMPLE_RATE)
    assert mixed.warnings == (MIXED,)
    assert model.calibrate(clips["1004"][:2], SAMPLE_RATE).warnings == (FEW,)


@pytest.mark.real_speech
def test_a_recording_of_another_voice_says_so(clips):
    model = ser.load()
    profile = model.calibrate(clips["1004"][:6], SAMPLE_RATE)
    own = [model.predict(clip, SAMPLE_RATE, profile=profile) for clip in clips["1004"][6:]]
    other = [model.predict(clip, SAMPLE_RATE, profile=profile) for clip in clips["1007"]]
    assert not any(OTHER_VOICE in answer.doubts for answer in own)
    assert sum(OTHER_VOICE in answer.doubts for answer in other) >= 6
    assert {answer.certainty for answer in other} <= {"sure", "not sure"}


def test_noise_with_hardly_a_voice_says_so(rng):
    time = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    voiced = np.sum([np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 20)], axis=0)
    whisper = 0.3 * rng.standard_normal(len(time))
    whisper[: SAMPLE_RATE // 4] += voiced[: SAMPLE_RATE // 4]
    assert UNVOICED in ser.load().calibrate([whisper] * 4, SAMPLE_RATE).warnings


@pytest.mark.pipeline
def test_the_stage_writes_what_the_bundle_holds_and_how_often_it_warns(finished):
    metrics = artifacts.read_json(finished.folder / "metrics" / "enrolment_check.json")
    assert metrics["set_limit"] > 0
    assert metrics["clip_limit"] > 0
    for sets in metrics["warned"].values():
        assert all(0 <= rate <= 1 for kinds in sets.values() for rate in kinds.values())
    check = open_bundle(str(finished.folder / "models" / "bundle.zip")).about["enrolment_check"]
    assert check == artifacts.read_json(finished.folder / "models" / "enrolment_check.json")
