"""The networks with all that an answer needs, in one file."""

import json

from ser import __version__, artifacts
from ser.answers.bundle import COMPUTING_PACKAGES, PackedNetwork, installed_versions, pack
from ser.answers.onnx_check import description_of
from ser.corpus.formats import describe
from ser.params import load
from ser.scoring.scores import BASELINE, FUSION
from stages.shared.console import run


def export() -> str:
    params = load()
    names = list(params.networks)
    index = artifacts.read_parquet("data/clips.parquet")
    metrics = {name: artifacts.read_json(f"metrics/{name}.json") for name in (*names, FUSION, BASELINE)}
    calibration = metrics[FUSION]["calibration"]
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
    packed = pack(about, {name: packed_network(f"models/{name}.onnx") for name in names})
    artifacts.write_bytes("models/bundle.zip", packed)
    return f"{len(names)} networks out, models/bundle.zip of {len(packed) / 1e6:.1f} MB"


def packed_network(path: str) -> PackedNetwork:
    """A network, and what it says that it reads."""
    model = artifacts.read_bytes(path)
    says = description_of(model)
    return PackedNetwork(says["features"], json.loads(says["columns"]), model)


if __name__ == "__main__":
    run(export)
