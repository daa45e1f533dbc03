"""Open the trained networks once: what each classifier says of every clip, and the networks as ONNX."""

import numpy as np

from ser import artifacts
from ser.answers.onnx_check import check_network
from ser.networks.baseline import predict_baseline
from ser.networks.network import Network, find_network
from ser.networks.onnx import to_onnx
from ser.params import Params, load
from ser.scoring.scores import BASELINE
from ser.training.train import predict as predict_clips
from ser.training.train import prepared
from stages.shared.clips import read_clips
from stages.shared.console import run
from stages.shared.training import read_features


def predict() -> str:
    params, clips = load(), read_clips()
    networks = [find_network(name) for name in params.networks]
    said = {}
    for network in networks:
        model = artifacts.read_model(f"models/{network.name}.keras")
        said[network.name] = predict_clips(network, model, read_features(network), clips, params)
        artifacts.write_bytes(f"models/{network.name}.onnx", packed(network, model, params))
    reads_frames = next((network for network in networks if network.features == "features_1d"), networks[0])
    frames = prepared(reads_frames, read_features(reads_frames), clips, params)
    trained = clips.rows("train")
    said[BASELINE] = predict_baseline(frames, clips.labels, train=trained, emotions=len(clips.emotions))
    table = artifacts.read_parquet("data/clips.parquet", ["clip"])
    for name, given in said.items():
        table[[f"{name}_{emotion}" for emotion in clips.emotions]] = given.astype(np.float32)
    artifacts.write_parquet("data/probabilities.parquet", table)
    return f"{len(said)} classifiers asked about {len(table)} clips"


def packed(network: Network, model, params: Params) -> bytes:
    """A network as ONNX, which says what it reads."""
    table = artifacts.read_csv(network.columns_path)
    columns = [table[column]["name"] for column in network.columns_of(params, table)]
    found = to_onnx(model, features=network.features, columns=columns)
    check_network(found)  # what this project would not open again is not written
    return found


if __name__ == "__main__":
    run(predict)
