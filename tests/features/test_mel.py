import librosa
import numpy as np
import pytest
from helpers import SAMPLE_RATE, real_clips, sine

from ser.audio.reading import read_audio
from ser.errors import InputError
from ser.features.mel import log_mel, mel_filters

SETTINGS = {"sample_rate": SAMPLE_RATE, "n_fft": 512, "n_mels": 64, "fmin_hz": 50.0, "fmax_hz": 8000.0}


@pytest.mark.parametrize(("n_fft", "n_mels", "fmin_hz", "fmax_hz"), [(512, 64, 50, 8000), (1024, 40, 0, 4000)])
def test_filters_equal_librosa(n_fft, n_mels, fmin_hz, fmax_hz):
    given = mel_filters(sample_rate=SAMPLE_RATE, n_fft=n_fft, n_mels=n_mels, fmin_hz=fmin_hz, fmax_hz=fmax_hz)
    expected = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=n_fft, n_mels=n_mels, fmin=fmin_hz, fmax=fmax_hz)
    np.testing.assert_allclose(given, expected.T, atol=1e-7)


def reference(signal: np.ndarray) -> np.ndarray:
    power = librosa.feature.melspectrogram(
        y=signal, sr=SAMPLE_RATE, n_fft=512, hop_length=256, n_mels=64, fmin=50.0, fmax=8000.0
    )
    return librosa.power_to_db(power, ref=1e-10, top_db=None).swapaxes(-1, -2)


def test_log_mel_equals_librosa(rng):
    signals = rng.standard_normal((2, 16000)).astype(np.float32)
    np.testing.assert_allclose(log_mel(signals, hop_length=256, **SETTINGS), reference(signals), atol=1e-3)


@pytest.mark.real_speech
def test_log_mel_equals_librosa_on_real_speech():
    for path in real_clips(5):
        signal = read_audio(path)[0][:, 0]
        np.testing.assert_allclose(log_mel(signal, hop_length=256, **SETTINGS), reference(signal), atol=5e-3)


@pytest.mark.parametrize("frequency_hz", [200.0, 1000.0, 3000.0])
def test_a_tone_peaks_in_its_mel_band(frequency_hz):
    spectrogram = log_mel(sine(frequency_hz), hop_length=256, **SETTINGS)
    centres_hz = librosa.mel_frequencies(n_mels=66, fmin=50, fmax=8000)[1:-1]
    nearest = np.abs(centres_hz - frequency_hz).argmin()
    assert abs(spectrogram[10:-10].mean(axis=0).argmax() - nearest) <= 1


def test_digital_silence_is_zero():
    assert not log_mel(np.zeros((1, 4000), np.float32), hop_length=256, **SETTINGS).any()


def test_ten_times_the_amplitude_is_20_db_more(rng):
    signal = rng.standard_normal(8000).astype(np.float32)
    louder = log_mel(10 * signal, hop_length=256, **SETTINGS) - log_mel(signal, hop_length=256, **SETTINGS)
    np.testing.assert_allclose(louder, 20, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fmax_hz": 9000.0}, "half the sample rate"),
        ({"fmin_hz": 8000.0}, "fmin_hz < fmax_hz"),
        ({"n_mels": 300}, "n_mels"),
    ],
)
def test_impossible_bands_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        log_mel(np.zeros(4000, np.float32), hop_length=256, **(SETTINGS | changes))
