"""What speaks against an answer: real clips raise no doubt, other sounds do."""

import numpy as np
import pytest
from helpers import real_clips, sine

import ser
from ser.answers.doubts import CLIPPED, NARROW, NO_SPEECH, doubts_about, is_speech
from ser.audio.preprocessing import mix_down
from ser.audio.reading import read_audio


def doubts_of(signal: np.ndarray) -> tuple[str, ...]:
    return doubts_about(signal[:, None], signal, 16000) + (() if is_speech(signal) else (NO_SPEECH,))


def clips(count: int) -> list[np.ndarray]:
    return [mix_down(*read_audio(path), sample_rate=16000) for path in real_clips(count)]


@pytest.mark.real_speech
def test_real_clips_raise_no_doubt():
    assert [doubts_of(clip) for clip in clips(40)] == [()] * 40


@pytest.mark.real_speech
def test_real_clips_are_speech_in_noise_and_at_any_gain(rng):
    for clip in clips(10):
        noise = rng.standard_normal(len(clip)).astype(np.float32) * clip.std()  # 0 dB
        assert is_speech(0.7 * (clip + noise))
        assert is_speech(0.001 * clip)


@pytest.mark.parametrize("name", ["white noise", "hum", "tone", "chord", "clicks"])
def test_other_sounds_are_no_speech(name, rng):
    sounds = {
        "white noise": rng.standard_normal(32000) * 0.1,
        "hum": sine(50.0, seconds=2) + sine(150.0, seconds=2) / 2,
        "tone": sine(220.0, seconds=2),
        "chord": sum(sine(hz, seconds=2, amplitude=0.2) for hz in (262.0, 330.0, 392.0)),
        "clicks": (np.arange(32000) % 4000 == 0).astype(float),
    }
    assert NO_SPEECH in doubts_of(sounds[name].astype(np.float32))


@pytest.mark.real_speech
def test_clipping_and_a_narrow_band_are_noticed():
    (clip,) = clips(1)
    assert CLIPPED in doubts_of(np.clip(clip * (4 / np.abs(clip).max()), -1, 1))
    narrow = mix_down(mix_down(clip[:, None], 16000, sample_rate=8000)[:, None], 8000, sample_rate=16000)
    assert doubts_of(narrow) == (NARROW,)


@pytest.mark.real_speech
def test_an_answer_with_a_doubt_is_never_sure():
    (clip,) = clips(1)
    model = ser.load()
    loud = np.clip(clip * (8 / np.abs(clip).max()), -1, 1)
    answer = model.predict(loud, 16000)
    assert answer.doubts == (CLIPPED,)
    assert not answer.sure
    assert "clipped" in answer._repr_html_()
    assert model.predict(clip, 16000).doubts == ()


def test_speech_behind_long_music_is_found(monkeypatch):
    """Windows are searched evenly over a recording, and not its beginning only."""
    model = ser.load()
    monkeypatch.setitem(model._recognizer.about, "threshold", 0.0)
    time = np.arange(24 * 16000) / 16000
    tones = 0.1 * sum(np.sin(2 * np.pi * hz * time) for hz in (220, 277, 330, 440))
    chords = (tones + 0.005 * np.random.default_rng(0).standard_normal(len(time))).astype(np.float32)
    speech = np.concatenate([read_audio(path)[0][:, 0] for path in real_clips(8)])
    assert NO_SPEECH in model.predict(chords, 16000).doubts
    assert NO_SPEECH not in model.predict(np.concatenate([chords, speech]), 16000).doubts


def test_a_sure_answer_about_what_is_no_speech_is_doubted(monkeypatch):
    """The threshold is lowered, so that a tone gets an answer that would be sure."""
    model = ser.load()
    monkeypatch.setitem(model._recognizer.about, "threshold", 0.0)
    hiss = np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    answer = model.predict(sine(220.0, seconds=2) + 0.01 * hiss, 16000)
    assert answer.doubts == (NO_SPEECH,)
    assert not answer.sure
