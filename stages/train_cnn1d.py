"""Train the 1D network."""

from ser.networks.cnn1d import NETWORK
from stages.shared.console import run
from stages.shared.training import train_stage


def train_cnn1d() -> str:
    return train_stage(NETWORK)


if __name__ == "__main__":
    run(train_cnn1d)
