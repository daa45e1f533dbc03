"""What the stages that train, and the one that asks what was trained, share: read, train resumably, write."""

from pathlib import Path

from ser import artifacts
from ser.networks.network import Network
from ser.params import load
from ser.training.checkpoint import Checkpoint
from ser.training.fit import Progress, Session
from ser.training.train import Features, train
from stages.shared.clips import read_clips
from stages.shared.key import run_key


def read_features(network: Network) -> Features:
    """The array that a network reads, opened as a memory map, and its columns."""
    return Features(artifacts.open_array(network.features_path), artifacts.read_csv(network.columns_path))


def train_stage(network: Network) -> str:
    """Train a network and write its model; its learning curves are written after every epoch, to be looked at."""
    params, clips = load(), read_clips()
    key = run_key(f"train_{network.name}", params, clips.subsets)
    checkpoint = Checkpoint(Path("models") / f".{network.name}.npz", key)

    def save(progress: Progress) -> None:
        checkpoint.write(progress)
        write_history(network, progress.history)

    print(f"{network.name}: compiling, then {network.settings_of(params).epochs} epochs", flush=True)
    session = Session(checkpoint.read(), save, lambda line: print(line, flush=True))
    model, history = train(network, read_features(network), clips, params, session)
    artifacts.write_model(f"models/{network.name}.keras", model)
    write_history(network, history)
    checkpoint.remove()
    best = max(history, key=lambda row: row["validation_uar"])
    return f"{len(history)} epochs, best {best['epoch']} with validation UAR {best['validation_uar']:.3f}"


def write_history(network: Network, history: list[dict]) -> None:
    """The learning curves as far as they go."""
    artifacts.write_csv(f"metrics/{network.name}_history.csv", history, columns=list(history[0]))
