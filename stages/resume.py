"""Where an interrupted training left off, kept only for exactly the same training."""

import hashlib
import json
from pathlib import Path

import numpy as np

import ser
from ser import io
from ser.training import Progress

TRAINING_MODULES = (
    "batches",
    "cnn1d",
    "cnn2d",
    "devices",
    "experiment",
    "layers",
    "on_the_fly",
    "training",
    "training_data",
    "scores",
)


def run_key(*parts: str) -> str:
    """A hash of what decides a training: the given parts, the clips and their copies, and the training code."""
    digest = hashlib.sha256()
    data = [Path("data/clips.parquet"), Path("data/augmented.parquet")]
    code = [Path(ser.__file__).parent / f"{name}.py" for name in TRAINING_MODULES]
    for part in [*parts, *map(io.hash_file, data + code)]:
        digest.update(part.encode())
    return digest.hexdigest()


class Checkpoint:
    """A file with the progress of one training, written after every epoch."""

    def __init__(self, path: Path, key: str):
        self.path, self.key = path, key

    def read(self) -> Progress:
        """The saved progress, or none if there is no file or it is of another training."""
        if not self.path.exists():
            return Progress()
        stored = io.read_arrays(self.path)
        about = json.loads(bytes(stored["about"][0]))
        if about["key"] != self.key:
            return Progress()
        print(f"resuming after epoch {len(about['history'])} ({self.path})", flush=True)
        return Progress(about["history"], stored["variables"], stored["best"])

    def write(self, progress: Progress) -> None:
        """Replace the file in one step, so that a kill leaves the epoch before."""
        about = json.dumps({"key": self.key, "history": progress.history}).encode()
        packed = np.frombuffer(about, np.uint8)
        io.write_arrays(self.path, about=[packed], variables=progress.variables, best=progress.best)

    def remove(self) -> None:
        """Forget a training that is finished."""
        self.path.unlink(missing_ok=True)
