"""A bundle of both networks, for prediction without TensorFlow."""

from ser import __version__, artifacts
from ser.answers.bundle import COMPUTING_PACKAGES, PackedNetwork, installed_versions, pack
from ser.answers.onnx_check import check_network
from ser.corpus.formats import describe
from ser.networks.baseline import BASELINE
from ser.networks.network import Network, find_network
from ser.networks.onnx import to_onnx
from ser.params import Params, load
from stages.shared.console import run


def export() -> str:
    params = load()
    names = list(params.networks)
    index = artifacts.read_parquet("data/clips.parquet")
    metrics = {name: artifacts.read_json(f"metrics/{name}.json") for name in (*names, "fusion", BASELINE)}
    calibration = metrics["fusion"]["calibration"]
    about = {
        "corpus": describe(params.corpus.dir, params.corpus.format)
        | {"clips": len(index), "actors": index["actor"].nunique()},
        "emotions": list(params.corpus.emotions),
        "params": params.blocks(),
        "temperature": calibration["temperature"],
        "threshold": calibration["threshold"],
        "metrics": metrics,
        "versions": {"ser": __version__} | installed_versions((*COMPUTING_PACKAGES, "keras", "tensorflow", "tf2onnx")),
    }
    packed = pack(about, {name: packed_network(find_network(name), params) for name in names})
    artifacts.write_bytes("models/bundle.zip", packed)
    return f"{len(names)} networks out, models/bundle.zip of {len(packed) / 1e6:.1f} MB"


def packed_network(network: Network, params: Params) -> PackedNetwork:
    """A network as ONNX, with the columns that it reads."""
    table = artifacts.read_csv(network.columns_path)
    columns = [table[column]["name"] for column in network.columns_of(params, table)]
    model = to_onnx(artifacts.read_model(f"models/{network.name}.keras"))
    check_network(model)  # what this project would not open again is not written
    return PackedNetwork(network.features, columns, model)


if __name__ == "__main__":
    run(export)
