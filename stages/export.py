"""A bundle of both networks, for prediction without TensorFlow."""

from ser import __version__, artifacts
from ser.answers.bundle import COMPUTING_PACKAGES, NETWORKS, installed_versions, pack
from ser.corpus.formats import describe
from ser.networks.onnx import to_onnx
from ser.params import load
from stages.shared.console import run

METRICS = ("cnn1d", "cnn2d", "fusion", "baseline")


def export() -> str:
    params = load()
    index = artifacts.read_parquet("data/clips.parquet")
    metrics = {name: artifacts.read_json(f"metrics/{name}.json") for name in METRICS}
    calibration = metrics["fusion"]["calibration"]
    about = {
        "corpus": describe(params.corpus.dir, params.corpus.format)
        | {"clips": len(index), "actors": index["actor"].nunique()},
        "params": params.model_dump(),
        "temperature": calibration["temperature"],
        "threshold": calibration["threshold"],
        "metrics": metrics,
        "versions": {"ser": __version__} | installed_versions((*COMPUTING_PACKAGES, "keras", "tensorflow", "tf2onnx")),
    }
    packed = pack(about, {name: to_onnx(artifacts.read_model(f"models/{name}.keras")) for name in NETWORKS})
    artifacts.write_bytes("models/bundle.zip", packed)
    return f"{len(NETWORKS)} networks out, models/bundle.zip of {len(packed) / 1e6:.1f} MB"


if __name__ == "__main__":
    run(export)
