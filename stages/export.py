"""The networks with all that an answer needs, in one file."""

from ser import __version__, artifacts
from ser.answers.bundle import COMPUTING_PACKAGES, installed_versions, pack, packed_network
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
        "enrolment_check": artifacts.read_json("models/enrolment_check.json"),
        "versions": {"ser": __version__} | installed_versions((*COMPUTING_PACKAGES, "keras", "tensorflow", "tf2onnx")),
    }
    packed = pack(about, {name: packed_network(artifacts.read_bytes(f"models/{name}.onnx")) for name in names})
    artifacts.write_bytes("models/bundle.zip", packed)
    return f"{len(names)} networks out, models/bundle.zip of {len(packed) / 1e6:.1f} MB"


if __name__ == "__main__":
    run(export)
