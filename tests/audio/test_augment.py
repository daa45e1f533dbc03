import librosa
import numpy as np
import pytest
from helpers import ROOT, SAMPLE_RATE, real_clips, sine

from ser import artifacts
from ser.audio.augmentation import TRANSFORMS, altered_copies, draw_values, noise, pitch, shift
from ser.audio.devices import (
    DEVICE_COLUMNS,
    Device,
    coloured_noise,
    draw_device,
    mp3,
    rms,
    speech_level,
    through_device,
)
from ser.audio.reading import read_audio
from ser.params import load
from ser.randomness import clip_rng


def test_noise_has_the_asked_deviation(rng):
    signal = sine(200.0, amplitude=0.8)
    added = noise(signal, amplitude=0.1, rng=rng) - signal
    assert added.std() == pytest.approx(0.1 * np.abs(signal).max(), rel=0.05)
    assert added.mean() == pytest.approx(0, abs=0.005)


def test_shift_moves_and_fills_with_zeros():
    signal = np.arange(1, 6, dtype=np.float32)
    np.testing.assert_array_equal(shift(signal, samples=2), [0, 0, 1, 2, 3])
    np.testing.assert_array_equal(shift(signal, samples=-2), [3, 4, 5, 0, 0])
    np.testing.assert_array_equal(shift(signal, samples=0), signal)
    assert not shift(signal, samples=5).any()
    assert not shift(signal, samples=-9).any()


@pytest.mark.parametrize("semitones", [-4.0, -1.3, 0.5, 2.0, 7.0])
def test_pitch_moves_a_tone_and_keeps_its_length(semitones):
    moved = pitch(sine(440.0, seconds=2.0), sample_rate=SAMPLE_RATE, semitones=semitones)
    assert moved.shape == (2 * SAMPLE_RATE,)
    assert moved.dtype == np.float32
    peak_hz = np.abs(np.fft.rfft(moved * np.hanning(len(moved)))).argmax() / 2
    assert peak_hz == pytest.approx(440 * 2 ** (semitones / 12), rel=0.005)


@pytest.mark.real_speech
@pytest.mark.parametrize("semitones", [-1.3, 2.0])
def test_pitch_equals_librosa_on_real_speech(semitones):
    for path in real_clips(3):
        signal = read_audio(path)[0][:, 0]
        expected = librosa.effects.pitch_shift(signal, sr=SAMPLE_RATE, n_steps=semitones)
        given = pitch(signal, sample_rate=SAMPLE_RATE, semitones=semitones)
        # Phases add up over frames, by products here and by sums there, both in single precision.
        np.testing.assert_allclose(given, expected, atol=0.01 * np.abs(expected).max())


def test_draws_depend_on_the_clip_and_the_seed_alone():
    settings = load(ROOT / "params.yaml").augment
    draws = [draw_values(settings, clip_rng(seed, clip)) for seed, clip in ((0, "a"), (0, "a"), (0, "b"), (1, "a"))]
    assert draws[0] == draws[1]
    assert len({str(draw) for draw in draws}) == 3


def test_draws_stay_in_their_ranges():
    settings = load(ROOT / "params.yaml").augment
    draws = [draw_values(settings, clip_rng(0, str(i))) for i in range(300)]
    assert all(0 <= draw["noise"] <= settings.noise_max_amplitude for draw in draws)
    assert {draw["shift"] for draw in draws} == {2000.0 * step for step in range(-5, 6)}
    assert all(abs(draw["pitch"]) <= settings.pitch_max_semitones for draw in draws)


def test_copies_are_one_for_each_transform(rng):
    signal = sine(300.0)
    values = {"noise": 0.0, "shift": 2000.0, "pitch": 0.0}
    assert set(values) == set(TRANSFORMS)
    copies = altered_copies(signal, values, list(values), sample_rate=SAMPLE_RATE, rng=rng)
    assert copies.shape == (3, SAMPLE_RATE)
    np.testing.assert_array_equal(copies[0], signal)
    np.testing.assert_array_equal(copies[1], shift(signal, samples=2000))


def device(**what) -> Device:
    nothing = {name: None for name in DEVICE_COLUMNS}
    return Device(**nothing | {"constant_noise": True, "telephone": False, "seed": 3} | what)


def heard(signal: np.ndarray, seed: int = 0, above_usual_db: float = 0.0, **what) -> np.ndarray:
    return through_device(
        signal,
        device(**what),
        sample_rate=SAMPLE_RATE,
        above_usual_db=above_usual_db,
        other_voice=lambda length: np.resize(sine(313.0), length),
        rng=np.random.default_rng(seed),
    )


@pytest.fixture
def voiced() -> np.ndarray:
    """A second of harmonics, and half a second of nothing."""
    tones = np.sum([sine(160.0 * k, amplitude=0.3 / k) for k in range(1, 20)], axis=0)
    return np.concatenate([tones, np.zeros(SAMPLE_RATE // 2)]).astype(np.float32)


def test_a_device_that_does_nothing_changes_nothing(voiced):
    np.testing.assert_array_equal(heard(voiced), voiced)


@pytest.mark.parametrize("noise", [{"noise_slope": 0.0}, {"noise_slope": 2.0}, {"talkers": 3}])
def test_noise_lies_at_its_distance_from_the_speech(voiced, noise):
    added = heard(voiced, snr_db=20.0, **noise) - voiced
    assert 20 * np.log10(speech_level(voiced) / rms(added)) == pytest.approx(20, abs=0.1)


def test_a_rooms_noise_stays_when_somebody_speaks_louder(voiced):
    soft = heard(voiced, snr_db=20.0, noise_slope=0.0) - voiced
    loud = heard(4 * voiced, snr_db=20.0, noise_slope=0.0, above_usual_db=20 * np.log10(4)) - 4 * voiced
    np.testing.assert_allclose(loud, soft, atol=1e-5)


def test_a_slope_is_that_of_the_noise_s_spectrum(rng):
    noise = coloured_noise(2**17, sample_rate=SAMPLE_RATE, slope=1.0, rng=rng)
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequency_hz = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
    low, high = (power[(frequency_hz > f) & (frequency_hz < 1.2 * f)].mean() for f in (200, 3200))
    assert 10 * np.log10(low / high) == pytest.approx(12, abs=1)


def test_reverberation_falls_by_60_db_in_its_time():
    click = np.zeros(2 * SAMPLE_RATE, np.float32)
    click[0] = 1
    response = heard(click, reverberation_seconds=0.5, direct_db=0.0)
    assert response[0] == 1
    late = response[200:]
    levels = [10 * np.log10(np.mean(late[start : start + 1600] ** 2)) for start in (0, 4000)]  # a quarter of a second
    assert levels[0] - levels[1] == pytest.approx(30, abs=3)
    assert 10 * np.log10(np.sum(response[1:].astype(float) ** 2)) == pytest.approx(0, abs=0.5)


def test_a_microphone_is_the_same_for_every_recording_and_keeps_time(voiced):
    one, other = (heard(signal, response_db=3.0, tilt_db=1.0) for signal in (voiced, 0.5 * voiced))
    np.testing.assert_allclose(other, 0.5 * one, atol=1e-6)
    assert not np.allclose(one, voiced, atol=0.01)
    flat = heard(voiced, response_db=0.0, tilt_db=0.0)
    np.testing.assert_allclose(flat, voiced, atol=1e-3)


def test_a_tilt_is_in_db_an_octave():
    levels = [rms(heard(sine(f), response_db=0.0, tilt_db=3.0)[2000:-2000]) for f in (500.0, 1000.0, 2000.0)]
    assert 20 * np.log10(levels[1] / levels[0]) == pytest.approx(3, abs=0.3)
    assert 20 * np.log10(levels[2] / levels[1]) == pytest.approx(3, abs=0.3)


def test_a_telephone_passes_its_band(voiced):
    levels = {f: rms(heard(sine(f), telephone=True)) / rms(sine(f)) for f in (100.0, 1000.0, 6000.0)}
    assert levels[1000.0] == pytest.approx(1, abs=0.05)
    assert levels[100.0] < 0.05
    assert levels[6000.0] < 0.1


def test_a_share_of_the_samples_is_clipped(rng):
    clipped = heard(rng.standard_normal(20000).astype(np.float32), clipped=0.01)
    assert np.mean(np.abs(clipped) == np.abs(clipped).max()) == pytest.approx(0.01, abs=0.001)


def test_an_mp3_of_a_low_rate_keeps_the_voice_and_loses_the_upper_band(rng):
    hiss = 0.1 * rng.standard_normal(2 * SAMPLE_RATE).astype(np.float32)
    for rate in (SAMPLE_RATE, 15000):  # MP3 has no 15 kHz
        coded = mp3(sine(500.0, seconds=2.0) + hiss, sample_rate=rate, compression=0.99)
        assert len(hiss) <= len(coded) < 1.1 * len(hiss)
        power = np.abs(np.fft.rfft(coded[: len(hiss)])) ** 2
        frequency_hz = np.fft.rfftfreq(len(hiss), 1 / rate)
        assert power[frequency_hz > 5000].sum() < 1e-3 * power.sum()
        assert frequency_hz[power.argmax()] == pytest.approx(500 * rate / SAMPLE_RATE, abs=2)


def test_devices_are_drawn_in_their_shares_and_ranges():
    settings = load(ROOT / "params.yaml").augment.device
    drawn = [draw_device(settings, clip_rng(0, str(number))) for number in range(2000)]
    for name, share in (
        ("response_db", settings.microphone),
        ("snr_db", settings.noise),
        ("clipped", settings.clipping),
        ("gain_kind", settings.gain_control),
    ):
        assert np.mean([getattr(one, name) is not None for one in drawn]) == pytest.approx(share, abs=0.04)
    snr_db = [one.snr_db for one in drawn if one.snr_db is not None]
    assert settings.snr_db[0] <= min(snr_db) < max(snr_db) <= settings.snr_db[1]
    assert draw_device(settings, clip_rng(0, "1")) == drawn[1]


@pytest.mark.pipeline
def test_a_device_is_one_for_each_actor_and_its_drawn_values_are_written(finished):
    copies = artifacts.read_parquet(finished.folder / "data" / "augmented.parquet")
    clips = artifacts.read_parquet(finished.folder / "data" / "clips.parquet")
    own = copies[copies["transform"] == "device"]
    assert len(own) == len(clips)
    seeds = own["seed"].groupby(clips["actor"].to_numpy()[own["source_row"]]).nunique()
    assert (seeds == 1).all()
    assert own["seed"].nunique() == clips["actor"].nunique()
    assert copies.loc[copies["transform"] == "noise", "seed"].isna().all()
