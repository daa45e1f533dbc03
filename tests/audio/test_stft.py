import librosa
import numpy as np
import pytest
from helpers import sine

from ser.audio.stft import frame, istft, power_spectrogram, sounding, stft
from ser.errors import InputError


@pytest.mark.parametrize(("n_fft", "hop_length"), [(512, 256), (512, 128), (400, 160), (2048, 512)])
def test_stft_equals_librosa(rng, n_fft, hop_length):
    signals = rng.standard_normal((3, 5000)).astype(np.float32)
    expected = librosa.stft(signals, n_fft=n_fft, hop_length=hop_length).swapaxes(-1, -2)
    given = stft(signals, n_fft=n_fft, hop_length=hop_length)
    assert given.dtype == np.complex64
    np.testing.assert_allclose(given, expected, atol=1e-3 * np.abs(expected).max() / 100)


def test_istft_inverts_stft(rng):
    signal = rng.standard_normal(7001).astype(np.float32)
    spectrum = stft(signal, n_fft=512, hop_length=128)
    restored = istft(spectrum, hop_length=128, length=len(signal))
    # The last samples have one window only on them: librosa's inverse is as weak there.
    np.testing.assert_allclose(restored[:-128], signal[:-128], atol=1e-4)
    expected = librosa.istft(spectrum.T, hop_length=128, length=len(signal))
    np.testing.assert_allclose(restored[:-128], expected[:-128], atol=1e-4)


def test_power_of_a_sine_peaks_at_its_bin():
    power = power_spectrogram(sine(1000.0), n_fft=512, hop_length=256)
    assert power.shape == (1 + 16000 // 256, 257)
    assert np.all(power[2:-2].argmax(axis=-1) == 32)  # 1000 Hz of 31.25 Hz a bin


def test_frame_is_centred_and_pads_with_zeros():
    frames = frame(np.ones(10, np.float32), frame_length=4, hop_length=2)
    assert frames.shape == (6, 4)
    np.testing.assert_array_equal(frames[0], [0, 0, 1, 1])
    np.testing.assert_array_equal(frames[1], [1, 1, 1, 1])


def test_frame_refuses_a_hop_of_zero():
    with pytest.raises(InputError, match="hop_length 0"):
        frame(np.ones(10, np.float32), frame_length=4, hop_length=0)


@pytest.mark.parametrize(
    ("signal", "heard"), [([0, 1, 0, 2, 0, 0], [1, 0, 2]), ([3], [3]), ([0, 0], []), ([], []), ([1, 0], [1])]
)
def test_the_sounding_part_of_a_signal_has_no_silent_ends(signal, heard):
    signal = np.array(signal, np.float32)
    assert signal[sounding(signal)].tolist() == heard
    assert sounding(signal).stop == len(np.trim_zeros(signal, "b"))
