"""Clips a second of each operation on one thread: the project against its peers, outputs compared.

    python -m benchmarks.operations prepare FOLDER SIGNALS.npy
    python -m benchmarks.operations OPERATION SIGNALS.npy

print JSON. Every operation has a process of its own: openSMILE and TensorFlow end each
other in one (``malloc(): invalid size``).
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import librosa
import numpy as np
import scipy.fft
import soundfile
import yaml
from threadpoolctl import threadpool_limits

from benchmarks.timing import REPEATS, alternate, ratio
from ser.audio import augmentation, preprocessing
from ser.audio.preprocessing import FRAME_LENGTH, HOP_LENGTH
from ser.audio.stft import frame
from ser.features import frame_features, mel
from ser.features.pitch import fundamental_frequency
from stages.shared.rows import BLOCK

PARAMS = yaml.safe_load(Path("params.yaml").read_text())
RATE = PARAMS["preprocess"]["sample_rate"]
FEATURES = PARAMS["features_1d"]
MEL = {key: FEATURES[key] for key in ("n_fft", "hop_length", "n_mels", "fmin_hz", "fmax_hz")}
FRAMES = {"frame_length": MEL["n_fft"], "hop_length": MEL["hop_length"]}
SEMITONES = 1.5
CLIPS = 64
DB = 10 / np.log(10)  # decibel in one unit of a natural logarithm of power


def per_clip(function: Callable) -> Callable:
    """Apply a function of one signal to each row, as scripts do."""
    return lambda signals: np.stack([function(signal) for signal in signals])


def in_blocks(function: Callable) -> Callable:
    """Apply a function of several signals to blocks of rows, as the stages do."""
    return lambda signals: np.concatenate([function(signals[i : i + BLOCK]) for i in range(0, len(signals), BLOCK)])


def clips_a_second(operation: str, signals: np.ndarray) -> list[dict]:
    """One row for each candidate; the project's own comes first.

    Parameters
    ----------
    signals : shape ``(clips, samples)``, at the project's sample rate
    """
    candidates = OPERATIONS[operation](signals)
    with threadpool_limits(1):
        outputs = {name: candidate() for name, (candidate, _) in candidates.items()}  # warm
        seconds = alternate({name: candidate for name, (candidate, _) in candidates.items()})
    rows = []
    for name, (_, comparable) in candidates.items():
        rates = [len(signals) / value for value in seconds[name]]
        rows.append(
            {
                "operation": operation,
                "candidate": name,
                "clips a second": float(np.median(rates)),
                "smallest and largest": [min(rates), max(rates)],
                "ser is faster by": ratio(seconds[name], seconds["ser"]),
                "largest difference": difference(outputs["ser"], outputs[name], comparable),
            }
        )
    return rows


def difference(own: np.ndarray, other: np.ndarray, comparable: str) -> str:
    """How far two outputs are apart, or why they cannot be compared."""
    if not comparable.startswith("in "):
        return comparable
    if own.shape != other.shape:
        return f"shapes differ: {own.shape} and {other.shape}"
    return f"{np.abs(own - other).max():.1g} {comparable.removeprefix('in ')}"


def log_mel_candidates(signals: np.ndarray) -> dict[str, tuple[Callable, str]]:
    """Candidates by name, each with the unit of its output or why it gives another one."""
    return {
        "ser": (lambda: in_blocks(own_mel)(signals), "in dB"),
        "librosa, a clip a call": (lambda: per_clip(librosa_log_mel)(signals), "in dB"),
        "librosa, batch": (lambda: librosa_log_mel(signals), "in dB"),
        "tf.signal, batch": (tensorflow_candidate("log_mel", signals), "in dB"),
        "kaldi-native-fbank": (lambda: per_clip(kaldi_log_mel)(signals), "in dB"),
    }


def mfcc_candidates(signals: np.ndarray) -> dict[str, tuple[Callable, str]]:
    return {
        "ser": (lambda: in_blocks(own_mfcc)(signals), "in dB"),
        "librosa, a clip a call": (lambda: per_clip(librosa_mfcc)(signals), "in dB"),
        "librosa, batch": (lambda: librosa_mfcc(signals), "in dB"),
        "tf.signal, batch": (tensorflow_candidate("mfcc", signals), "in dB"),
        "kaldi-native-fbank": (lambda: per_clip(kaldi_mfcc)(signals), "another floor (1.2e-7)"),
    }


def level_candidates(signals: np.ndarray) -> dict[str, tuple[Callable, str]]:
    return {
        "ser": (lambda: in_blocks(own_levels)(signals), "in full scale, crossings a sample"),
        "librosa, a clip a call": (lambda: per_clip(librosa_levels)(signals), "in full scale, crossings a sample"),
        "librosa, batch": (lambda: librosa_levels(signals), "in full scale, crossings a sample"),
    }


def pitch_candidates(signals: np.ndarray) -> dict[str, tuple[Callable, str]]:
    smile = opensmile_features()
    return {
        "ser": (lambda: in_blocks(own_levels_and_pitch)(signals), "in full scale"),
        "librosa (yin), a clip a call": (
            lambda: per_clip(librosa_levels_and_pitch)(signals),
            "another pitch algorithm",
        ),
        "openSMILE (autocorrelation)": (lambda: per_clip(smile)(signals), "another pitch algorithm"),
    }


def subtraction_candidates(signals: np.ndarray) -> dict[str, tuple[Callable, str]]:
    settings = {key: PARAMS["preprocess"]["spectral_subtraction"][key] for key in SUBTRACTION}
    own = partial(preprocessing.spectral_subtraction, **settings)
    return {
        "ser": (lambda: per_clip(own)(signals), "in full scale"),
        "librosa.stft, a clip a call": (
            lambda: per_clip(partial(librosa_subtraction, **settings))(signals),
            "in full scale",
        ),
        "tf.signal, batch": (tensorflow_candidate("subtract", signals), "in full scale"),
    }


def pitch_shift_candidates(signals: np.ndarray) -> dict[str, tuple[Callable, str]]:
    own = partial(augmentation.pitch, sample_rate=RATE, semitones=SEMITONES)
    librosas = partial(librosa.effects.pitch_shift, sr=RATE, n_steps=SEMITONES)
    vocoder, signalsmith = map(audiomentations_pitch, ("librosa_phase_vocoder", "signalsmith_stretch"))
    return {
        "ser": (lambda: per_clip(own)(signals), "in full scale"),
        "librosa": (lambda: per_clip(librosas)(signals), "in full scale"),
        "audiomentations (phase vocoder)": (lambda: vocoder(signals), "in full scale"),
        "audiomentations (Signalsmith)": (lambda: signalsmith(signals), "another algorithm"),
    }


OPERATIONS = {
    "log-mel": log_mel_candidates,
    "MFCC": mfcc_candidates,
    "RMS and zero-crossing rate": level_candidates,
    "RMS, zero-crossing rate and pitch": pitch_candidates,
    "spectral subtraction": subtraction_candidates,
    "pitch shift": pitch_shift_candidates,
}


def own_mel(signals: np.ndarray) -> np.ndarray:
    return mel.log_mel(signals, sample_rate=RATE, **MEL)


def own_mfcc(signals: np.ndarray) -> np.ndarray:
    return frame_features.mfcc(own_mel(signals), n_mfcc=FEATURES["n_mfcc"])


SUBTRACTION = ("over_subtraction", "floor", "noise_fraction")


def librosa_log_mel(signals: np.ndarray) -> np.ndarray:
    power = librosa.feature.melspectrogram(
        y=signals,
        sr=RATE,
        n_fft=MEL["n_fft"],
        hop_length=MEL["hop_length"],
        n_mels=MEL["n_mels"],
        fmin=MEL["fmin_hz"],
        fmax=MEL["fmax_hz"],
    )
    return librosa.power_to_db(power, ref=1e-10, amin=1e-10, top_db=None).swapaxes(-1, -2)


def librosa_mfcc(signals: np.ndarray) -> np.ndarray:
    levels = librosa_log_mel(signals).swapaxes(-1, -2)
    return librosa.feature.mfcc(S=levels, n_mfcc=FEATURES["n_mfcc"]).swapaxes(-1, -2)


def own_levels(signals: np.ndarray) -> np.ndarray:
    rows = frame_features.rmse(signals, **FRAMES), frame_features.zero_crossing_rate(signals, **FRAMES)
    return np.stack(rows, axis=-2)


def librosa_levels(signals: np.ndarray) -> np.ndarray:
    rows = librosa.feature.rms(y=signals, **FRAMES), librosa.feature.zero_crossing_rate(signals, **FRAMES)
    return np.concatenate(rows, axis=-2)


def own_levels_and_pitch(signals: np.ndarray) -> np.ndarray:
    fundamental_frequency(
        signals,
        sample_rate=RATE,
        frame_length=FEATURES["pitch_frame_length"],
        hop_length=MEL["hop_length"],
        fmin_hz=FEATURES["pitch_fmin_hz"],
        fmax_hz=FEATURES["pitch_fmax_hz"],
    )
    return own_levels(signals)


def librosa_levels_and_pitch(signal: np.ndarray) -> np.ndarray:
    librosa.yin(
        signal,
        fmin=FEATURES["pitch_fmin_hz"],
        fmax=FEATURES["pitch_fmax_hz"],
        sr=RATE,
        frame_length=FEATURES["pitch_frame_length"],
        hop_length=MEL["hop_length"],
    )
    return librosa_levels(signal)


def opensmile_features() -> Callable[[np.ndarray], np.ndarray]:
    import opensmile

    smile = opensmile.Smile(feature_set=str(Path(__file__).parent / "lld.conf"), feature_level="lld")
    return lambda signal: smile.process_signal(signal, RATE).to_numpy()


def librosa_subtraction(signal, *, over_subtraction, floor, noise_fraction) -> np.ndarray:
    spectrum = librosa.stft(signal, n_fft=FRAME_LENGTH, hop_length=HOP_LENGTH)
    magnitude = np.abs(spectrum)
    quietest = np.argsort(np.sum(magnitude**2, axis=0), kind="stable")
    noise = magnitude[:, quietest[: round(noise_fraction * magnitude.shape[1])]].mean(axis=1, keepdims=True)
    kept = np.maximum(magnitude - over_subtraction * noise, np.minimum(magnitude, floor * noise))
    cleaned = kept * np.exp(1j * np.angle(spectrum))
    return librosa.istft(cleaned, hop_length=HOP_LENGTH, length=len(signal))


def audiomentations_pitch(method: str) -> Callable[[np.ndarray], np.ndarray]:
    import audiomentations

    shift = audiomentations.PitchShift(min_semitones=SEMITONES, max_semitones=SEMITONES, p=1.0, method=method)
    return per_clip(lambda signal: shift(signal, RATE))


def kaldi_log_mel(signal: np.ndarray) -> np.ndarray:
    return np.maximum(DB * kaldi_frames("Fbank", signal) + 100, 0)


def kaldi_mfcc(signal: np.ndarray) -> np.ndarray:
    coefficients = DB * kaldi_frames("Mfcc", signal)
    coefficients[:, 0] += 100 * np.sqrt(MEL["n_mels"])
    return coefficients


def kaldi_frames(kind: str, signal: np.ndarray) -> np.ndarray:
    """Natural logarithms as kaldi-native-fbank gives them, its options set to librosa's conventions."""
    import kaldi_native_fbank

    options = getattr(kaldi_native_fbank, f"{kind}Options")()
    options.frame_opts.samp_freq = RATE
    options.frame_opts.frame_length_ms = 1000 * MEL["n_fft"] / RATE
    options.frame_opts.frame_shift_ms = 1000 * MEL["hop_length"] / RATE
    options.frame_opts.dither = 0
    options.frame_opts.preemph_coeff = 0
    options.frame_opts.remove_dc_offset = False
    options.frame_opts.window_type = "hann"
    options.frame_opts.snip_edges = True  # the padding below centres the frames
    options.mel_opts.num_bins = MEL["n_mels"]
    options.mel_opts.low_freq, options.mel_opts.high_freq = MEL["fmin_hz"], MEL["fmax_hz"]
    options.mel_opts.is_librosa = True
    if kind == "Fbank":
        options.eps = 1e-10
    else:
        options.num_ceps, options.use_energy, options.cepstral_lifter = FEATURES["n_mfcc"], False, 0
    computer = getattr(kaldi_native_fbank, f"Online{kind}")(options)
    computer.accept_waveform(RATE, np.pad(signal, MEL["n_fft"] // 2))
    computer.input_finished()
    return np.stack([computer.get_frame(index) for index in range(computer.num_frames_ready)])


def tensorflow_candidate(name: str, signals: np.ndarray) -> Callable:
    """``log_mel``, ``mfcc`` or ``subtract`` of all signals at once, as a compiled graph on one thread."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    filters = tf.constant(mel.mel_filters(sample_rate=RATE, **{k: v for k, v in MEL.items() if k != "hop_length"}))
    levels = partial(tf.signal.stft, frame_length=MEL["n_fft"], frame_step=MEL["hop_length"])
    settings = PARAMS["preprocess"]["spectral_subtraction"]

    def centred(rows, n_fft):
        return tf.pad(rows, [[0, 0], [n_fft // 2, n_fft // 2]])

    @tf.function
    def log_mel(rows):
        power = tf.abs(levels(centred(rows, MEL["n_fft"]))) ** 2
        return DB * tf.math.log(tf.maximum(tf.matmul(power, filters) / 1e-10, 1.0))

    @tf.function
    def mfcc(rows):
        coefficients = tf.signal.mfccs_from_log_mel_spectrograms(log_mel(rows))[..., : FEATURES["n_mfcc"]]
        return tf.concat([coefficients[..., :1] / np.sqrt(2), coefficients[..., 1:]], axis=-1)

    @tf.function
    def subtract(rows):
        padded = centred(rows, FRAME_LENGTH)
        spectrum = tf.signal.stft(padded, FRAME_LENGTH, HOP_LENGTH)
        magnitude = tf.abs(spectrum)
        count = round(settings["noise_fraction"] * spectrum.shape[1])
        quietest = tf.argsort(tf.reduce_sum(magnitude**2, axis=-1), stable=True)[:, :count]
        noise = tf.reduce_mean(tf.gather(magnitude, quietest, batch_dims=1), axis=1, keepdims=True)
        floor = tf.minimum(magnitude, settings["floor"] * noise)
        kept = tf.maximum(magnitude - settings["over_subtraction"] * noise, floor)
        gain = tf.math.divide_no_nan(kept, magnitude)
        window = tf.signal.inverse_stft_window_fn(HOP_LENGTH)
        back = tf.signal.inverse_stft(
            spectrum * tf.cast(gain, tf.complex64), FRAME_LENGTH, HOP_LENGTH, window_fn=window
        )
        return back[:, FRAME_LENGTH // 2 :][:, : rows.shape[1]]

    rows = tf.constant(signals)
    function = {"log_mel": log_mel, "mfcc": mfcc, "subtract": subtract}[name]
    return lambda: function(rows).numpy()


def limits(folder: Path, signals: np.ndarray) -> dict[str, float | dict[str, float]]:
    """What this machine's arithmetic and memory allow on one thread.

    ``bare``: clips a second of what no implementation of an operation gets around, on frames that lie
    ready: its Fourier transforms, or for levels copying the frames once. ``decode``: files a second by
    libsndfile out of the page cache.
    """

    def copied_frames(signals: np.ndarray, **settings: int) -> np.ndarray:
        return np.ascontiguousarray(frame(signals, **settings))

    files, large = sorted(folder.iterdir())[:CLIPS], np.empty(2**25, np.float32)
    copied, block, signal = np.empty_like(large), signals[:BLOCK], signals[0]
    voiced, hop = FEATURES["pitch_frame_length"], MEL["hop_length"]
    short = copied_frames(block, frame_length=MEL["n_fft"], hop_length=hop)
    long, target = copied_frames(block, frame_length=voiced, hop_length=hop), np.empty_like(short)
    lags = scipy.fft.next_fast_len((voiced + int(np.ceil(RATE / FEATURES["pitch_fmin_hz"])) + 1) // 2, real=True)
    power = np.abs(scipy.fft.rfft(long, n=2 * lags)) ** 2
    subtracted = copied_frames(signal, frame_length=FRAME_LENGTH, hop_length=HOP_LENGTH)
    shifted = copied_frames(signal, frame_length=augmentation.PITCH_N_FFT, hop_length=augmentation.PITCH_HOP_LENGTH)
    stretched = scipy.fft.rfft(np.resize(shifted, (round(len(shifted) * 2 ** (SEMITONES / 12)), shifted.shape[1])))
    bare = {
        "log-mel": (BLOCK, lambda: scipy.fft.rfft(short)),
        "MFCC": (BLOCK, lambda: scipy.fft.rfft(short)),
        "RMS and zero-crossing rate": (BLOCK, lambda: np.copyto(target, short)),
        "RMS, zero-crossing rate and pitch": (
            BLOCK,
            lambda: (scipy.fft.rfft(long, n=2 * lags), scipy.fft.dct(power, type=1)),
        ),
        "spectral subtraction": (1, lambda: scipy.fft.irfft(scipy.fft.rfft(subtracted))),
        "pitch shift": (1, lambda: (scipy.fft.rfft(shifted), scipy.fft.irfft(stretched))),
    }
    repeated = {name: partial(repeat, CLIPS // clips, part) for name, (clips, part) in bare.items()}
    others = {
        "decode": lambda: [soundfile.read(file) for file in files],
        "memory": lambda: np.copyto(copied, large),
    }
    with threadpool_limits(1):
        for part in (repeated | others).values():
            part()  # warm
        seconds = alternate(repeated | others, repeats=2 * REPEATS)
    taken = {name: float(np.median(values)) for name, values in seconds.items()}
    return {
        "bare": {name: CLIPS / taken[name] for name in bare},
        "decode": len(files) / taken["decode"],
        "memory bytes a second": 2 * large.nbytes / taken["memory"],
    }


def repeat(times: int, part: Callable[[], object]) -> None:
    for _ in range(times):
        part()


def versions() -> dict[str, str]:
    """Versions of everything compared."""
    peers = ("librosa", "tensorflow", "kaldi-native-fbank", "opensmile", "audiomentations")
    return {package: version(package) for package in ("numpy", "scipy", "soxr", "soundfile", *peers)}


def prepare(folder: Path, target: str) -> dict:
    """Write the signals of a folder's recordings; name the operations, the machine's limits and the versions."""
    recordings = (soundfile.read(file, dtype="float32")[0] for file in sorted(folder.iterdir()))
    samples = round(RATE * PARAMS["preprocess"]["duration_seconds"])
    signals = np.stack([preprocessing.truncate_pad(recording, samples=samples) for recording in recordings])
    np.save(target, signals)
    return {"operations": list(OPERATIONS), "limits": limits(folder, signals), "versions": versions()}


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        print(json.dumps(prepare(Path(sys.argv[2]), sys.argv[3])))
    else:
        print(json.dumps(clips_a_second(sys.argv[1], np.load(sys.argv[2]))))
