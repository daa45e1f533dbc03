"""Log-mel spectrograms for the 2D network, and a picture of one clip for each emotion."""

from functools import partial

import numpy as np

from ser import artifacts
from ser.features.families import TABLE_COLUMNS, column_table
from ser.features.mel import log_mel
from ser.features.pictures import draw_spectrogram
from ser.params import load
from stages.shared.console import run
from stages.shared.rows import write_features


def spectrograms() -> str:
    params = load()
    settings = params.spectrograms
    compute = partial(log_mel, sample_rate=params.preprocess.sample_rate, **settings.mel())
    artifacts.write_csv("data/spectrograms.csv", column_table(settings, ["log_mel"]), columns=TABLE_COLUMNS)
    done = write_features("data/spectrograms.npy", compute)
    clips, rows = (
        artifacts.read_parquet("data/clips.parquet", ["clip", "emotion"]),
        artifacts.open_array("data/spectrograms.npy"),
    )
    for emotion in sorted(set(clips["emotion"])):
        row = int(np.argmax(clips["emotion"] == emotion))
        picture = draw_spectrogram(
            rows[row].astype(np.float32),
            title=f"{emotion}: {clips['clip'][row]}",
            hop_seconds=params.spectrograms.hop_length / params.preprocess.sample_rate,
        )
        artifacts.write_bytes(f"metrics/spectrograms/{emotion}.png", picture)
    return done


if __name__ == "__main__":
    run(spectrograms)
