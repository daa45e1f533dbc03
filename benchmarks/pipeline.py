"""The stages as a whole: against the script that everybody writes, growing corpora, caching, training."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import naive
from benchmarks.timing import REPEATS, alternate, ratio
from benchmarks.workspace import FEATURE_STAGES, ROOT, Workspace, repeated, some_clips
from ser.params import load

NAIVE_CLIPS = 100
COLD_CLIPS = 24
GROWTH_CLIPS, GROWTH = 400, (1, 4, 16)
GOAL_UAR = 0.55
# The script that the stages are held against makes all three.
ALL_COPIES = {"training.copies": ["noise", "shift", "pitch"]}
# The loop alone, its libraries imported and compiled by a run on two clips before.
NAIVE = """
import sys, time
from benchmarks import naive
two, few, out, tracker = sys.argv[1:]
naive.main(two, out, tracker)
start = time.perf_counter()
naive.main(few, out, tracker)
print(time.perf_counter() - start)
"""


def audio_to_features(corpus: Path, scratch: Path) -> dict:
    """``split`` to ``spectrograms`` on the whole corpus, and the naive script on some clips of it, in turn.

    The script's time grows with its clips exactly, and its start-up is not counted; the stages' is.
    """
    workspace = Workspace(scratch / "features", {"corpus.dir": str(corpus)} | ALL_COPIES)
    few, two = (some_clips(corpus, scratch / f"clips{count}", count=count) for count in (NAIVE_CLIPS, 2))
    workspace.stages(*FEATURE_STAGES)  # warm
    clips = len(np.load(workspace.folder / "data" / "signals.npy", mmap_mode="r"))
    own: list[float] = []
    scripts: dict[str, list[float]] = {tracker: [] for tracker in naive.TRACKERS}
    for _ in range(REPEATS):
        own.append(workspace.stages(*FEATURE_STAGES) / clips)
        for tracker, seconds in scripts.items():
            taken = workspace.run(sys.executable, "-c", NAIVE, str(two), str(few), str(scratch / "naive"), tracker)
            seconds.append(float(taken) / NAIVE_CLIPS)
    sizes = {path.name: path.stat().st_size for path in sorted((workspace.folder / "data").glob("*.*"))}
    workspace.remove()
    return {
        "corpus": corpus.name,
        "clips": clips,
        "stages, clips a second": 1 / median(own),
        "naive": {
            tracker: {
                "clips a second": 1 / median(seconds),
                "times as fast": ratio(seconds, own),
                "each round": [one / other for one, other in zip(seconds, own, strict=True)],
            }
            for tracker, seconds in scripts.items()
        },
        "artifact bytes": sizes,
    }


def cold_start(corpus: Path, scratch: Path) -> dict:
    """The first run after an install, on a few clips: nothing compiled, neither by Python nor by Numba."""
    few = some_clips(corpus, scratch / "cold-clips", count=COLD_CLIPS)
    workspace = Workspace(scratch / "cold", {"corpus.dir": str(few)} | ALL_COPIES)

    def caches() -> dict[str, str]:
        return {name: tempfile.mkdtemp(dir=scratch) for name in ("PYTHONPYCACHEPREFIX", "NUMBA_CACHE_DIR")}

    seconds = alternate(
        {
            "stages": lambda: workspace.stages(*FEATURE_STAGES, **caches()),
            "naive script": lambda: workspace.run(
                sys.executable, "-m", "benchmarks.naive", str(few), str(scratch / "naive"), **caches()
            ),
        }
    )
    workspace.remove()
    return {
        "clips": COLD_CLIPS,
        "stages, seconds": median(seconds["stages"]),
        "naive script, seconds": median(seconds["naive script"]),
        "times as fast": ratio(seconds["naive script"], seconds["stages"]),
    }


def growth(corpus: Path, scratch: Path) -> list[dict]:
    """Time and peak memory of the stages on a corpus 1, 4 and 16 times over."""
    base = some_clips(corpus, scratch / "base", count=GROWTH_CLIPS)
    workspaces = {
        times: Workspace(
            scratch / f"times{times}",
            {"corpus.dir": str(repeated(base, scratch / f"corpus{times}", times=times))} | ALL_COPIES,
        )
        for times in GROWTH
    }
    found: dict[int, dict[str, list]] = {times: {stage: [] for stage in FEATURE_STAGES} for times in GROWTH}
    for _ in range(REPEATS):
        for times, workspace in workspaces.items():
            for stage in FEATURE_STAGES:
                found[times][stage].append(workspace.peak_of(stage))
    rows = []
    for times, workspace in workspaces.items():
        seconds = [sum(stage[i][0] for stage in found[times].values()) for i in range(REPEATS)]
        rows.append(
            {
                "clips": GROWTH_CLIPS * times,
                "seconds": median(seconds),
                "peak bytes": {stage: max(peak for _, peak in runs) for stage, runs in found[times].items()},
                "artifact bytes": sum(path.stat().st_size for path in (workspace.folder / "data").glob("*.npy")),
            }
        )
        workspace.remove()
    return rows


# One parameter of each kind, and a value that is not its default.
CHANGES = {
    "evaluate.bootstrap_samples": 500,
    "train_cnn1d.dropout": 0.4,
    "training.label_smoothing": 0.1,
    "split.seed": 1,
    "spectrograms.fmin_hz": 60.0,
    "features_1d.sub_frames": 4,
    "augment.seed": 1,
    "preprocess.preemphasis": 0.97,
}


def caching(corpus: Path, scratch: Path) -> dict:
    """``dvc repro`` with nothing to do, after a change of each kind of parameter, and ``dvc checkout``.

    On the demo corpus, with trainings of two epochs.
    """
    workspace = Workspace(scratch / "caching", {"train_cnn1d.epochs": 2, "train_cnn2d.epochs": 2})
    (workspace.folder / "dvc.lock").unlink()

    def repro() -> float:
        start = time.perf_counter()
        workspace.run("dvc", "repro")
        return time.perf_counter() - start

    full = repro()
    commit(workspace, "first")
    nothing = alternate({"nothing": lambda: workspace.run("dvc", "repro")})["nothing"]
    original = (workspace.folder / "params.yaml").read_text()
    changed = {}
    for key, value in CHANGES.items():
        workspace.change({key: value})
        changed[key] = repro()
        if key != "preprocess.preemphasis":
            (workspace.folder / "params.yaml").write_text(original)
            workspace.run("dvc", "repro")
    commit(workspace, "second")

    def switch(revision: str) -> None:
        workspace.run("git", "checkout", "-q", revision)
        workspace.run("dvc", "checkout", "-q")

    workspace.run("git", "tag", "second")
    switches = alternate({"first": lambda: switch("second~1"), "second": lambda: switch("second")})
    workspace.remove()
    return {
        "full run, seconds": full,
        "nothing to do, seconds": median(nothing),
        "share of a full run": {key: seconds / full for key, seconds in changed.items()},
        "checkout, seconds": median(switches["first"] + switches["second"]),
    }


def commit(workspace: Workspace, message: str) -> None:
    for command in (
        ("config", "user.email", "bench@example.org"),
        ("config", "user.name", "bench"),
        ("add", "-A"),
        ("commit", "-q", "-m", message),
    ):
        workspace.run("git", *command)


SIZE = re.compile(
    r"(?P<millions>[\d.]+) million multiplications a clip; "
    r"(?P<clips>\d+) training clips in \d+ versions, (?P<validation>\d+) validation"
)
LINE = re.compile(
    r"epoch (?P<epoch>\d+)/.* UAR (?P<uar>[\d.]+); (?P<seconds>[\d.]+) s, (?P<waiting>\d+)% waiting for input"
)


def training(corpus: Path, scratch: Path) -> dict[str, dict]:
    """Both networks on the corpus at hand: milliseconds a clip, waiting for input, time to a validation UAR.

    The machine's rate of multiplications is measured before and after each network.
    """
    workspace = Workspace(scratch / "training", {"corpus.dir": str(corpus)})
    workspace.stages(*FEATURE_STAGES)
    rows = {}
    for network in ("cnn1d", "cnn2d"):
        before = multiplications_a_second()
        row = train_until(workspace, network)
        rate = median([before, multiplications_a_second()])
        rows[network] = row | {
            "multiplications a second": rate,
            "precision": load(ROOT / "params.yaml").training.precision,
        }
    workspace.remove()
    return rows


def multiplications_a_second(size: int = 2048) -> float:
    """Rate of a float32 matrix product on all cores: the median of some after the first."""
    factor = np.ones((size, size), np.float32)
    seconds = alternate({"product": lambda: factor @ factor}, repeats=2 * REPEATS)["product"]
    return size**3 / median(seconds[1:])


def train_until(workspace: Workspace, network: str) -> dict:
    """Run a training stage until its validation UAR reaches the goal, or to its end."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", f"stages.train_{network}"],
        cwd=workspace.folder,
        env=workspace.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    epochs, size, printed = [], {}, []
    for line in process.stdout:
        printed.append(line)
        if found := SIZE.search(line):
            size = {name: float(value) for name, value in found.groupdict().items()}
        if found := LINE.search(line):
            epochs.append({name: float(value) for name, value in found.groupdict().items()})
            if epochs[-1]["uar"] >= GOAL_UAR and len(epochs) > REPEATS:
                os.killpg(process.pid, signal.SIGTERM)
                break
    process.wait()
    if not epochs:
        sys.exit(f"{network}: no epoch was trained:\n{''.join(printed)}")
    reached = [number for number, epoch in enumerate(epochs) if epoch["uar"] >= GOAL_UAR]
    return {
        "training clips": int(size["clips"]),
        "validation clips": int(size["validation"]),
        "multiplications a clip": 1e6 * size["millions"],
        "epochs run": len(epochs),
        "milliseconds a clip": 1000 * median(epoch["seconds"] for epoch in epochs[1:]) / size["clips"],
        "waiting for input": median(epoch["waiting"] for epoch in epochs[1:]) / 100,
        "best validation UAR": max(epoch["uar"] for epoch in epochs),
        "seconds to the goal": sum(epoch["seconds"] for epoch in epochs[: reached[0] + 1]) if reached else None,
    }


def operations(corpus: Path, scratch: Path) -> dict:
    """Rows of ``benchmarks.operations``, each operation in a process of its own, and the machine's limits."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}

    def child(*arguments: str):
        command = [sys.executable, "-m", "benchmarks.operations", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
        return json.loads(done.stdout)

    few = some_clips(corpus, scratch / "operations", count=64)
    signals = str(scratch / "signals.npy")
    about = child("prepare", str(few / "AudioWAV"), signals)
    return {"rows": [row for name in about["operations"] for row in child(name, signals)]} | about
