"""What tests of several rooms share: signals with known answers, and a small project to run."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from filelock import FileLock

from ser.params import Params

ROOT = Path(__file__).parent.parent
SAMPLE_RATE = 16000
REAL_CORPORA = (ROOT.parent / "shared" / "crema-d", ROOT / "data" / "crema-d")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def sine(frequency_hz: float, *, seconds: float = 1.0, amplitude: float = 0.5) -> np.ndarray:
    """A sine of float32 samples."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time)).astype(np.float32)


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def real_clips(count: int) -> list[Path]:
    """Some recordings of CREMA-D, or a skip where there are none."""
    for corpus in REAL_CORPORA:
        files = sorted((corpus / "AudioWAV").glob("*.*")) if corpus.is_dir() else []
        if files:
            return files[:: max(1, len(files) // count)][:count]
    pytest.skip("no real speech in ../shared/crema-d or data/crema-d")


SMALL = {
    "demo_corpus.actors": 6,
    "demo_corpus.sentences_per_emotion": 2,
    "preprocess.duration_seconds": 1.0,
    "features_1d.n_mels": 24,
    "features_1d.n_mfcc": 12,
    "spectrograms.n_mels": 24,
    "augment.devices": 1,
    "training.copies": ["noise", "shift", "pitch", "device"],
    "training.batch_size": 8,
    "training.group_clips": 4,
    "train_cnn1d.width": 16,
    "train_cnn1d.blocks": 2,
    "train_cnn1d.epochs": 3,
    "train_cnn2d.width": 8,
    "train_cnn2d.stages": 2,
    "train_cnn2d.time_width": 16,
    "train_cnn2d.time_blocks": 1,
    "train_cnn2d.epochs": 3,
    "evaluate.bootstrap_samples": 100,
    "conditions.clips": 2,
}


def set_params(folder: Path, changes: dict) -> None:
    """Change values of ``params.yaml`` by their dotted keys."""
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    for key, value in changes.items():
        block = params
        *parents, last = key.split(".")
        for parent in parents:
            block = block[parent]
        assert last in block, key
        block[last] = value
    path.write_text(yaml.safe_dump(params, sort_keys=False))


def tiny_params(changes: dict) -> Params:
    """The project's parameters made small, with some changed further."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key, value in (SMALL | changes).items():
        block = content
        *parents, last = key.split(".")
        for parent in parents:
            block = block[parent]
        block[last] = value
    return Params.model_validate(content)


def get_param(folder: Path, key: str):
    """A value of ``params.yaml`` by its dotted key."""
    value = yaml.safe_load((folder / "params.yaml").read_text())
    for part in key.split("."):
        value = value[part]
    return value


class Project:
    """A copy of the project in a temporary Git repository, small enough to run in seconds."""

    def __init__(self, folder: Path, changes: dict):
        self.folder = folder
        copied = (
            "ser",
            "stages",
            "studies",
            "results",
            "dvc.yaml",
            "plots",
            "params.yaml",
            ".gitignore",
            ".dvc/config",
            ".dvcignore",
        )
        for name in copied:
            source, target = ROOT / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        set_params(folder, changes)
        self.run("git", "init", "-q", "-b", "main")
        self.run("git", "config", "user.email", "test@example.org")
        self.run("git", "config", "user.name", "Test")
        # Equal projects have an equal first commit, which the report names.
        self.commit("project", **dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "2026-01-01T00:00:00Z"))

    @classmethod
    def at(cls, folder: Path) -> "Project":
        """A project that is there already."""
        found = object.__new__(cls)
        found.folder = folder
        return found

    def copy_to(self, folder: Path) -> "Project":
        """A copy of the project, with what it has run."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project.at(folder)

    def environment(self, **extra: str) -> dict[str, str]:
        paths = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        return os.environ | paths | {"DVC_NO_ANALYTICS": "1", "PYTHONPATH": str(self.folder)} | extra

    def run(self, *command: str, check: bool = True, **extra: str) -> subprocess.CompletedProcess:
        """Run a command there; a failure shows what it printed."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment(**extra), capture_output=True, text=True, check=False
        )
        if check:
            assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done

    def commit(self, message: str, **extra: str) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", message, **extra)

    def repro(self, *arguments: str, **extra: str) -> list[str]:
        """Run ``dvc repro``, keep what it printed, and name the stages that ran."""
        self.printed = self.run("dvc", "repro", *arguments, **extra).stdout
        return ran_stages(self.printed)

    def stage(self, name: str, **extra: str) -> subprocess.CompletedProcess:
        """Run one stage's script without DVC, whatever its exit status."""
        return self.run(sys.executable, "-m", f"stages.{name}", check=False, **extra)


def ran_stages(output: str) -> list[str]:
    """Stages that a ``dvc repro`` ran, from what it printed."""
    prefix = "Running stage '"
    return [line[len(prefix) :].split("'")[0] for line in output.splitlines() if line.startswith(prefix)]


STUDY_OF_CLIP = (sys.executable, "-m", "studies.cross_validate", "--study", "clip")


def set_seeds_of_clip(folder: Path, seeds: str) -> None:
    """Let the study ``clip`` of a copied project have these seeds."""
    plan = folder / "studies" / "plan.py"
    plan.write_text(re.sub(r'Study\("clip".*?\)(?=,\n)', f'Study("clip", seeds={seeds})', plan.read_text()))


def made_once(name: str, make: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that takes long to make: made once for all of pytest's workers, each of which has a copy of its own.

    DVC locks a project, so they cannot share it.

    Parameters
    ----------
    make : in a folder that does not exist yet; ``ran`` and ``printed`` are kept
    """
    base = tmp_path_factory.getbasetemp()
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, ended = common / name, common / f"{name}.json"
    with FileLock(common / f"{name}.lock"):
        if not ended.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
            made = make(folder)
            ended.write_text(json.dumps({"ran": made.ran, "printed": made.printed}))
    own = Project.at(folder).copy_to(tmp_path_factory.mktemp(name) / "project")
    vars(own).update(json.loads(ended.read_text()))
    return own
