"""Train the 1D network."""

from stages.shared.console import run
from stages.shared.training import train_stage


def train_cnn1d() -> str:
    return train_stage("cnn1d")


if __name__ == "__main__":
    run(train_cnn1d)
