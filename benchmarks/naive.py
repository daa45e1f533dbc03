"""The script everybody writes first: one loop over the files, librosa's functions, lists, ``np.save``.

    python -m benchmarks.naive CORPUS OUT [yin | pyin]

The same settings (``params.yaml``), operations and outputs as the stages from ``split`` to
``spectrograms``: three altered copies of each clip, frame features and log-mel of all. It is what
``make bench`` compares the pipeline with. It checks no clip, keeps all in memory, and caches nothing.

Of librosa's two pitch trackers only ``pyin`` says how voiced a frame is, as the stages do; ``yin``
gives a pitch to every frame, a column less than the stages write.
"""

import sys
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import scipy.signal
import yaml


def log_mel(signal, rate, settings):
    power = librosa.feature.melspectrogram(
        y=signal,
        sr=rate,
        n_fft=settings["n_fft"],
        hop_length=settings["hop_length"],
        n_mels=settings["n_mels"],
        fmin=settings["fmin_hz"],
        fmax=settings["fmax_hz"],
        pad_mode="constant",
    )
    return np.maximum(librosa.power_to_db(power, ref=1e-10, amin=1e-10, top_db=None), 0)


def lasting_power(signal):
    """Power of each frame, without clicks."""
    return scipy.signal.medfilt(librosa.feature.rms(y=signal, frame_length=512, hop_length=128)[0] ** 2, 11)


def frame_features(signal, rate, settings, tracker):
    mel = log_mel(signal, rate, settings)
    n_fft, hop = settings["n_fft"], settings["hop_length"]
    padded = np.pad(signal, n_fft // 2)
    frames = librosa.util.frame(padded, frame_length=n_fft, hop_length=hop)
    energy = np.sum(frames**2, axis=0)
    parts = frames.reshape(settings["sub_frames"], -1, frames.shape[1])
    share = np.sum(parts**2, axis=1) / np.maximum(energy, 1e-12)
    entropy = -np.sum(share * np.log2(np.maximum(share, 1e-12)), axis=0)
    crossings = librosa.feature.zero_crossing_rate(signal, frame_length=n_fft, hop_length=hop)
    rms = librosa.feature.rms(y=signal, frame_length=n_fft, hop_length=hop)
    mfcc = librosa.feature.mfcc(S=mel, n_mfcc=settings["n_mfcc"])
    pitch = TRACKERS[tracker](
        signal,
        fmin=settings["pitch_fmin_hz"],
        fmax=settings["pitch_fmax_hz"],
        sr=rate,
        frame_length=settings["pitch_frame_length"],
        hop_length=hop,
    )
    return np.vstack([mel, energy, entropy, crossings, rms, mfcc, pitch]).T


def with_tracks(signal, rate, settings, tracker):
    rows = frame_features(signal, rate, settings, tracker)
    first = settings["n_mels"] + 3  # RMS and MFCC are no tracks
    return np.delete(rows, slice(first, first + 1 + settings["n_mfcc"]), axis=1)


def pyin(signal, **settings):
    hertz, _, voiced = librosa.pyin(signal, **settings)
    return np.nan_to_num(hertz), voiced


TRACKERS = {"yin": librosa.yin, "pyin": pyin}


def main(corpus, out, tracker="yin"):
    params = yaml.safe_load(Path("params.yaml").read_text())
    rate = params["preprocess"]["sample_rate"]
    samples = int(rate * params["preprocess"]["duration_seconds"])
    rng = np.random.default_rng(0)
    rows, signals, augmented, features, spectrograms = [], [], [], [], []
    for file in sorted(Path(corpus, "AudioWAV").iterdir()):
        actor, sentence, emotion, level = file.stem.split("_")
        rows.append({"clip": file.stem, "actor": actor, "sentence": sentence, "emotion": emotion, "level": level})
        signal, _ = librosa.load(file, sr=rate)
        high = scipy.signal.butter(2, params["preprocess"]["highpass_hz"], "high", fs=rate, output="sos")
        settled = scipy.signal.sosfilt_zi(high) * signal.mean()
        signal = scipy.signal.sosfilt(high, signal, zi=settled)[0].astype(np.float32)
        power = lasting_power(signal)
        loud = np.flatnonzero(power > power.max() * 10 ** (-params["preprocess"]["remove_silence"]["top_db"] / 10))
        signal = signal[128 * loud[0] : 128 * (loud[-1] + 1)][:samples]
        signal = signal * (0.1 / np.sqrt(lasting_power(signal).max()))
        signals.append(librosa.util.fix_length(signal, size=samples))
    for signal in signals:
        peak = np.abs(signal).max()
        noisy = signal + rng.uniform(0, 0.035) * peak * rng.standard_normal(samples).astype(np.float32)
        steps = 2000 * rng.integers(-5, 6)
        shifted = np.roll(signal, steps)
        pitched = librosa.effects.pitch_shift(signal, sr=rate, n_steps=rng.uniform(-2, 2))
        augmented += [noisy, shifted, pitched]
    for signal in signals + augmented:
        features.append(frame_features(signal, rate, params["features_1d"], tracker))
        spectrograms.append(with_tracks(signal, rate, params["features_1d"] | params["spectrograms"], tracker))
    Path(out).mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_parquet(Path(out, "clips.parquet"))
    np.save(Path(out, "signals.npy"), np.array(signals, np.float16))
    np.save(Path(out, "augmented.npy"), np.array(augmented, np.float16))
    np.save(Path(out, "features_1d.npy"), np.array(features, np.float16))
    np.save(Path(out, "spectrograms.npy"), np.array(spectrograms, np.float16))


if __name__ == "__main__":
    main(*sys.argv[1:])
