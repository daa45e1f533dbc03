# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Answers, in a notebook
#
# What `ser predict` does, from a notebook. Take a recording of your own; without one,
# a synthetic voice stands in, whose answer means nothing. `jupytext --to ipynb
# docs/notebooks/predict.py` makes a notebook of this page.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import soundfile
from IPython.display import Audio

import ser
from ser.corpus.demo import SAMPLE_RATE, draw_manner, draw_voice, speak

recording = Path("YOUR_RECORDING.wav")
if recording.exists():
    samples, rate = soundfile.read(recording)
else:
    rng = np.random.default_rng(0)
    person, rate = draw_voice("female", rng), SAMPLE_RATE
    spoken = [
        speak("IEO", draw_manner(emotion, person, rng), person, rng)
        for emotion in ("anger", "sadness")
    ]
    samples = np.concatenate([*spoken, *spoken])
Audio(samples.T, rate=rate)

# %% [markdown]
# A model answers for a path or for an array; a notebook shows its answer as a table
# with bars.

# %%
model = ser.load()
answer = model.predict(samples, rate)
answer

# %% [markdown]
# A recording over six seconds has a timeline: the answer of each stretch, up to the
# middle of what it shares with the next.

# %%
times = [stretch.start_seconds for stretch in answer.timeline] + [
    answer.duration_seconds
]
figure, axes = plt.subplots(figsize=(8, 2.5), layout="constrained")
for emotion in model.emotions:
    levels = [stretch.probabilities.get(emotion, 0) for stretch in answer.timeline]
    axes.stairs(levels, times, label=emotion)
axes.set(xlabel="seconds", ylabel="probability", ylim=(0, 1))
_ = axes.legend(loc="upper right", ncols=3, frameon=False)

# %% [markdown]
# ## A voice that is known
#
# Other recordings of the same voice on the same microphone help more than anything
# else; nobody needs to label them.

# %%
third = len(samples) // 3
profile = model.calibrate([samples[:third], samples[third : 2 * third]], rate)
before, after = (
    model.predict(samples[2 * third :], rate),
    model.predict(samples[2 * third :], rate, profile=profile),
)
{
    "nothing known": before.probabilities,
    f"known from {profile.clips} clips": after.probabilities,
}

# %% [markdown]
# ## What the networks read
#
# Named columns, a row every 16 ms: log-mel bands, energy, its entropy, zero
# crossings, MFCC, pitch and how voiced a frame is.

# %%
frames = ser.features(samples, rate)
figure, (above, below) = plt.subplots(
    2, figsize=(8, 4), sharex=True, layout="constrained"
)
bands = frames.filter(like="log_mel").to_numpy().T
above.imshow(
    bands, origin="lower", aspect="auto", extent=(0, frames.index[-1], 0, len(bands))
)
above.set_ylabel("mel band")
voiced = frames["harmonicity"] > 0.5
below.plot(frames.index[voiced], 60 * 2 ** frames["pitch_octaves"][voiced], ".")
_ = below.set(xlabel="seconds", ylabel="pitch in Hz")
