"""Log-mel spectrograms with their tracks for the 2D network, and a picture of one clip for each emotion."""

from functools import partial

import numpy as np

from ser import artifacts
from ser.features.families import TABLE_COLUMNS, column_table, frame_features
from ser.features.pictures import draw_spectrogram
from ser.params import load
from stages.shared.console import run
from stages.shared.rows import write_features


def spectrograms() -> str:
    params = load()
    settings = params.spectrograms
    at_its_frames, families = settings.at_its_frames(params.features_1d), settings.families
    rate = params.preprocess.sample_rate
    compute = partial(frame_features, sample_rate=rate, settings=at_its_frames, families=families)
    table = column_table(at_its_frames, families)
    artifacts.write_csv("data/spectrograms.csv", table, columns=TABLE_COLUMNS)
    done = write_features("data/spectrograms.npy", compute)
    clips, rows = (
        artifacts.read_parquet("data/clips.parquet", ["clip", "emotion"]),
        artifacts.open_array("data/spectrograms.npy"),
    )
    for emotion in sorted(set(clips["emotion"])):
        row = int(np.argmax(clips["emotion"] == emotion))
        picture = draw_spectrogram(
            rows[row, :, : settings.n_mels].astype(np.float32),
            title=f"{emotion}: {clips['clip'][row]}",
            hop_seconds=settings.hop_length / rate,
        )
        artifacts.write_bytes(f"metrics/spectrograms/{emotion}.png", picture)
    return done


if __name__ == "__main__":
    run(spectrograms)
