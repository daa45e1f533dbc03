"""What decides a training, by ``dvc.yaml``: a checkpoint, or a run of a study, counts as long as it is the same.

``dvc.yaml`` is the only list of what a training depends on.
"""

import hashlib
import json
from functools import cache
from pathlib import Path

import yaml

from ser import artifacts
from ser.params import Params


def run_key(stage: str, params: Params, subsets: list[str], *others: str) -> str:
    """A hash of a training stage's dependencies and parameters.

    Parameters
    ----------
    stage : of ``dvc.yaml``, such as ``train_cnn1d``
    params : of which the values that the stage lists are taken
    subsets : of every clip; in place of the split on the disk, since a study has splits of its own
    others : what decides besides
    """
    listed = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
    files = [file for path in listed["deps"] if path != "data/split.parquet" for file in _files(path)]
    values = {key: _value(params.blocks(), key) for key in listed["params"]}
    digest = hashlib.sha256()
    for part in [stage, json.dumps(values, sort_keys=True), ",".join(subsets), *map(hash_once, files), *others]:
        digest.update(part.encode())
    return digest.hexdigest()


def _files(path: str) -> list[str]:
    """A file, or the code in a folder."""
    return sorted(map(str, Path(path).rglob("*.py"))) if Path(path).is_dir() else [path]


def _value(block: dict, key: str):
    for part in key.split("."):
        block = block[part]
    return block


@cache
def hash_once(path: str) -> str:
    """Hash of a file that may be large, computed once in a process."""
    return artifacts.hash_file(path)
