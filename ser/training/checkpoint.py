"""Where an interrupted training left off, kept only for exactly the same training."""

import json
from pathlib import Path

import numpy as np

from ser import artifacts
from ser.training.fit import Progress


class Checkpoint:
    """A file with the progress of one training, written after every epoch."""

    def __init__(self, path: Path, key: str):
        self.path, self.key = path, key

    def read(self) -> Progress:
        """The saved progress, or none if there is no file or it is of another training."""
        if not self.path.exists():
            return Progress()
        stored = artifacts.read_arrays(self.path)
        about = json.loads(bytes(stored["about"][0]))
        if about["key"] != self.key:
            return Progress()
        print(f"resuming after epoch {len(about['history'])} ({self.path})", flush=True)
        return Progress(about["history"], stored["variables"], stored["best"])

    def write(self, progress: Progress) -> None:
        """Replace the file in one step, so that a kill leaves the epoch before."""
        about = json.dumps({"key": self.key, "history": progress.history}).encode()
        packed = np.frombuffer(about, np.uint8)
        artifacts.write_arrays(self.path, about=[packed], variables=progress.variables, best=progress.best)

    def remove(self) -> None:
        """Forget a training that is finished."""
        self.path.unlink(missing_ok=True)
