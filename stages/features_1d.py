"""Frame features for the 1D network."""

from functools import partial

from ser.features.frame_features import frame_features
from ser.params import load
from stages.shared.console import run
from stages.shared.rows import write_features


def features_1d() -> str:
    params = load()
    settings = params.features_1d.model_dump()
    compute = partial(frame_features, sample_rate=params.preprocess.sample_rate, **settings)
    return write_features("data/features_1d.npy", compute)


if __name__ == "__main__":
    run(features_1d)
