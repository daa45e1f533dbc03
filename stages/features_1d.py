"""Frame features for the 1D network."""

from functools import partial

from ser import artifacts
from ser.features.columns import COLUMNS, column_rows
from ser.features.frame_features import frame_features
from ser.params import load
from stages.shared.console import run
from stages.shared.rows import write_features


def features_1d() -> str:
    params = load()
    settings = params.features_1d.model_dump()
    compute = partial(frame_features, sample_rate=params.preprocess.sample_rate, **settings)
    rows = column_rows(n_mels=params.features_1d.n_mels, n_mfcc=params.features_1d.n_mfcc)
    artifacts.write_csv("data/features_1d.csv", rows, columns=COLUMNS)
    return write_features("data/features_1d.npy", compute)


if __name__ == "__main__":
    run(features_1d)
