"""Frame features for the 1D network."""

from functools import partial

from ser import artifacts
from ser.features.families import TABLE_COLUMNS, column_table, frame_features
from ser.params import load
from stages.shared.console import run
from stages.shared.rows import write_features


def features_1d() -> str:
    params = load()
    settings = params.features_1d
    compute = partial(frame_features, sample_rate=params.preprocess.sample_rate, settings=settings)
    artifacts.write_csv("data/features_1d.csv", column_table(settings), columns=TABLE_COLUMNS)
    return write_features("data/features_1d.npy", compute)


if __name__ == "__main__":
    run(features_1d)
