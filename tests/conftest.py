"""Fixtures of tests in several rooms."""

import os
from pathlib import Path

import numpy as np
import pytest
from helpers import SMALL, STUDY_OF_CLIP, Project, made_once, set_seeds_of_clip

# What Numba compiles for librosa, the reference, takes half a minute: kept from run to run, for each worker by itself,
# since two processes that write one cache at once damage it.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["NUMBA_CACHE_DIR"] = str(Path(__file__).parent.parent / ".pytest_cache" / f"numba-{WORKER}")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even open a file whose tests are not wanted: importing TensorFlow takes seconds."""
    if collection_path.suffix != ".py":
        return None
    unwanted = [word for word in ("network", "training") if f"not {word}" in config.option.markexpr]
    text = collection_path.read_text(encoding="utf-8") if unwanted else ""
    return True if any(f"pytestmark = pytest.mark.{word}\n" in text for word in unwanted) else None


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh small project; nothing has run."""
    return Project(tmp_path / "project", SMALL)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small project whose pipeline has run once. Tests leave it as they found it, or copy it."""

    def run_once(folder: Path) -> Project:
        project = Project(folder, SMALL)
        project.ran = project.repro()
        project.commit("first run")
        return project

    project = made_once("finished", run_once, tmp_path_factory)
    project.first_printed = project.printed  # a later repro prints something else
    return project


@pytest.fixture(scope="session")
def studied(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished project in which the study ``clip`` with two seeds was trained on this machine.

    The leaking study is the cheapest: it has one split, which any corpus can fill.
    """

    def train_once(folder: Path) -> Project:
        project = finished.copy_to(folder)
        set_seeds_of_clip(project.folder, "(0, 1)")
        project.ran, project.printed = [], project.run(*STUDY_OF_CLIP).stdout
        return project

    return made_once("studied", train_once, tmp_path_factory)


@pytest.fixture
def copied(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project, to change."""
    return finished.copy_to(tmp_path / "copy")
