"""A corpus in S3 and a DVC remote there: a real server on loopback, in a process of its own."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dask_cluster import running_cluster
from helpers import Project, free_port, set_params

from ser import artifacts
from ser.errors import InputError
from ser.parallel import SCHEDULER_VARIABLE

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    """The settings by which every S3 client finds the server, with two empty buckets."""
    import s3fs

    port = free_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    server = subprocess.Popen(
        [str(Path(sys.executable).parent / "moto_server"), "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            store = s3fs.S3FileSystem(skip_instance_cache=True)
            for bucket in ("corpora", "dvc"):
                store.mkdir(bucket)
            yield settings
    finally:
        server.kill()
        server.wait()


def wait_for(port: int) -> None:
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"no server on port {port}")


def upload(folder: Path, address: str) -> None:
    import s3fs

    s3fs.S3FileSystem(skip_instance_cache=True).put(str(folder), address, recursive=True)


def test_a_corpus_in_s3_gives_the_same_bytes(copied: Project, s3, tmp_path):
    data = copied.folder / "data"
    upload(data / "demo", "corpora/demo")
    local = {name: artifacts.hash_file(data / name) for name in ("clips.parquet", "split.parquet", "signals.npy")}
    set_params(copied.folder, {"corpus.dir": "s3://corpora/demo"})
    assert copied.repro("preprocess") == ["split", "preprocess"]
    assert {name: artifacts.hash_file(data / name) for name in local} == local
    assert copied.repro("preprocess") == []

    (tmp_path / "workers").mkdir()
    with running_cluster(tmp_path / "workers") as cluster:
        (data / "signals.npy").unlink()
        done = copied.stage("preprocess", **{SCHEDULER_VARIABLE: cluster.address})
    assert done.returncode == 0, done.stderr
    assert artifacts.hash_file(data / "signals.npy") == local["signals.npy"]


def test_a_broken_clip_in_s3_is_rejected_and_the_others_stay(copied: Project, s3):
    demo = copied.folder / "data" / "demo"
    broken = sorted((demo / "AudioWAV").iterdir())[0]
    content = broken.read_bytes()
    broken.chmod(0o644)
    broken.write_bytes(content[: len(content) // 2])
    upload(demo, "corpora/broken")
    set_params(copied.folder, {"corpus.dir": "s3://corpora/broken"})
    done = copied.stage("split")
    assert done.returncode == 0, done.stderr
    rejected = artifacts.read_csv(copied.folder / "data" / "rejected.csv")
    assert [row["file"] for row in rejected] == [broken.name]
    assert "cut short" in rejected[0]["reason"]


def test_a_missing_corpus_in_s3_is_a_clear_error(copied: Project, s3):
    set_params(copied.folder, {"corpus.dir": "s3://corpora/nothing"})
    done = copied.stage("split")
    assert done.returncode == 1
    assert "s3://corpora/nothing/AudioWAV: no such folder" in done.stderr.replace("\n", " ")


def test_an_address_that_no_package_reads_is_a_clear_error():
    with pytest.raises(InputError, match=r"^nosuch://bucket/x: cannot be read"):
        artifacts.location("nosuch://bucket/x")


def test_a_clone_without_the_audio_goes_on_from_the_remote(finished: Project, s3, tmp_path):
    first = finished.copy_to(tmp_path / "first")
    first.run("dvc", "remote", "add", "-d", "store", "s3://dvc/project")
    first.run("dvc", "remote", "modify", "store", "endpointurl", s3["AWS_ENDPOINT_URL"])
    first.commit("a remote")
    # All but the recordings, which the second clone never sees.
    first.run("dvc", "push", "split", "preprocess", "augment", "features_1d", "spectrograms", "evaluate", "export")
    first.run("dvc", "push", "train_cnn1d", "train_cnn2d", "predict", "report")

    second = Project.at(tmp_path / "second")
    first.run("git", "clone", "-q", str(first.folder), str(second.folder))
    assert second.repro("--pull", "--allow-missing") == []
    assert not (second.folder / "data" / "demo").exists()
    name = "models/bundle.zip"
    second.run("dvc", "pull", name)
    assert artifacts.hash_file(second.folder / name) == artifacts.hash_file(first.folder / name)

    set_params(second.folder, {"train_cnn1d.dropout": 0.1})
    assert second.repro("--pull", "--allow-missing", "export") == [
        "train_cnn1d",
        "predict",
        "enrolment_check",
        "evaluate",
        "export",
    ]
    assert not (second.folder / "data" / "demo").exists()
    assert "AudioWAV" not in os.listdir(second.folder / "data")
