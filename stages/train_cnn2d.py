"""Train the 2D network."""

from ser.networks.cnn2d import NETWORK
from stages.shared.console import run
from stages.shared.training import train_stage


def train_cnn2d() -> str:
    return train_stage(NETWORK)


if __name__ == "__main__":
    run(train_cnn2d)
