"""Feature stages on a Dask cluster: a real scheduler and two worker processes on loopback."""

import os
import shutil
import subprocess
import sys
import time

import cloudpickle
import numpy as np
import pytest
from dask_cluster import running_cluster
from helpers import ROOT, STUDY_OF_CLIP, Project, set_seeds_of_clip

from ser import artifacts, parallel
from ser.errors import InputError
from ser.parallel import SCHEDULER_VARIABLE, map_chunks

pytestmark = pytest.mark.server

MAPPED_STAGES = ("split", "preprocess", "augment", "features_1d", "spectrograms", "conditions")
ARTIFACTS = (
    "conditions.parquet",
    "clips.parquet",
    "split.parquet",
    "signals.npy",
    "augmented.npy",
    "augmented.parquet",
    "features_1d.npy",
)


@pytest.fixture(scope="module")
def lasting_cluster(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("workers")) as cluster:
        yield cluster


@pytest.fixture
def cluster(lasting_cluster, monkeypatch):
    """A cluster that ``map_chunks`` uses, and that tests leave whole."""
    monkeypatch.setenv(SCHEDULER_VARIABLE, lasting_cluster.address)
    return lasting_cluster


@pytest.fixture
def mortal_cluster(tmp_path, monkeypatch):
    """A cluster that ``map_chunks`` uses, to break."""
    (tmp_path / "workers").mkdir()
    with running_cluster(tmp_path / "workers") as cluster:
        monkeypatch.setenv(SCHEDULER_VARIABLE, cluster.address)
        yield cluster


def mapped(function, count: int):
    """``map_chunks`` over numbers; the function travels by value, since no worker can import the tests."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return map_chunks(lambda numbers: function(numbers), range(count), chunk=2)


def slow_square(numbers: range) -> np.ndarray:
    time.sleep(0.1)
    return np.array(numbers) ** 2


def process_of_chunk(numbers: range) -> int:
    time.sleep(0.1)
    return os.getpid()


def end_the_worker(numbers: range) -> None:
    os._exit(1)


def refuse(numbers: range) -> None:
    raise InputError(f"clip {numbers[0]} cannot be read")


@pytest.mark.pipeline
def test_artifacts_are_the_same_bytes_and_nothing_reruns(copied: Project, cluster):
    data = copied.folder / "data"
    local = {name: artifacts.hash_file(data / name) for name in ARTIFACTS}
    for name in MAPPED_STAGES:
        done = copied.stage(name)
        assert done.returncode == 0, done.stderr
    assert {name: artifacts.hash_file(data / name) for name in ARTIFACTS} == local
    assert copied.repro() == []


def test_both_workers_compute(cluster):
    assert len(set(mapped(process_of_chunk, 40)) - {os.getpid()}) == 2


def test_a_worker_that_is_killed_loses_nothing(mortal_cluster):
    found = []
    for number, chunk in enumerate(mapped(slow_square, 80)):
        found.append(chunk)
        if number == 5:
            mortal_cluster.kill(1)
    np.testing.assert_array_equal(np.concatenate(found), np.arange(80) ** 2)


def test_a_lost_scheduler_is_a_clear_error_with_nothing_half_written(mortal_cluster, tmp_path):
    target = tmp_path / "out" / "rows.npy"

    def write() -> None:
        with artifacts.array_writer(target, shape=(80,), dtype=np.int64) as rows:
            for number, chunk in enumerate(mapped(slow_square, 80)):
                rows.append(chunk)
                if number == 5:
                    mortal_cluster.kill(0)

    with pytest.raises(InputError, match=r"Dask scheduler at tcp://127\.0\.0\.1:\d+ was lost"):
        write()
    assert list(target.parent.iterdir()) == []


def test_a_chunk_that_ends_every_worker_is_named(mortal_cluster):
    with pytest.raises(InputError, match="ended every Dask worker that took it"):
        list(mapped(end_the_worker, 4))


def test_an_error_of_a_clip_comes_back_as_it_is(cluster):
    with pytest.raises(InputError, match=r"^clip 0 cannot be read$"):
        list(mapped(refuse, 4))


def test_workers_that_do_not_see_the_folder_are_refused(cluster, monkeypatch):
    monkeypatch.setattr(parallel.os, "getcwd", lambda: "/nowhere/at/all")
    with pytest.raises(InputError, match="does not see /nowhere/at/all"):
        list(mapped(slow_square, 4))


def test_workers_with_other_code_are_refused(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "ser", tmp_path / "other" / "ser", ignore=shutil.ignore_patterns("__pycache__"))
    with open(tmp_path / "other" / "ser" / "mel.py", "a") as file:
        file.write("# another state of the code\n")
    with running_cluster(tmp_path, code=tmp_path / "other") as cluster:
        monkeypatch.setenv(SCHEDULER_VARIABLE, cluster.address)
        with pytest.raises(InputError, match=r"other code or other versions .* ser \w+ there, \w+ here"):
            list(mapped(slow_square, 4))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "no address"])
def test_no_scheduler_is_a_clear_error(monkeypatch, address):
    monkeypatch.setattr(parallel, "CONNECT_SECONDS", 1)
    monkeypatch.setenv(SCHEDULER_VARIABLE, address)
    with pytest.raises(InputError, match="no Dask scheduler answers there"):
        list(mapped(slow_square, 4))


@pytest.mark.pipeline
@pytest.mark.slow
def test_a_study_is_trained_on_a_cluster_though_a_worker_dies(finished, studied, tmp_path):
    """The runs are those of one machine, byte for byte, and a killed worker's is taken up by the other."""
    folder = finished.copy_to(tmp_path / "project").folder
    set_seeds_of_clip(folder, "(0, 1)")
    (tmp_path / "workers").mkdir()
    with running_cluster(tmp_path / "workers", code=folder) as cluster:
        environment = finished.environment() | {"PYTHONPATH": str(folder), SCHEDULER_VARIABLE: cluster.address}
        study = subprocess.Popen(STUDY_OF_CLIP, cwd=folder, env=environment)
        until = time.monotonic() + 120
        while not list((folder / "data" / "runs").glob(".*.npz")) and time.monotonic() < until:
            time.sleep(0.05)
        cluster.kill(1)  # in the middle of a run, behind its first epoch
        assert study.wait(timeout=300) == 0
    here, there = (
        {path.name: path.read_bytes() for path in (one / "data" / "runs").glob("*.npz")}
        for one in (studied.folder, folder)
    )
    assert len(here) == 5  # both networks with two seeds, and the baseline
    assert here == there
