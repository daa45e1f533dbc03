"""Copies of the project to measure in, and the corpora they read."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import soundfile
import yaml

ROOT = Path(__file__).parent.parent
CORPORA = (ROOT / "data" / "crema-d", ROOT.parent / "shared" / "crema-d", ROOT / "data" / "demo")
FEATURE_STAGES = ("split", "preprocess", "augment", "features_1d", "spectrograms")


def corpus_at_hand() -> Path:
    """CREMA-D where it is, else the demo corpus."""
    found = next((folder for folder in CORPORA if (folder / "AudioWAV").is_dir()), None)
    if found is None:
        sys.exit("make bench: no corpus. 'make repro' makes the demo corpus; README.md says how to get CREMA-D.")
    return found.resolve()


def some_clips(corpus: Path, folder: Path, *, count: int) -> Path:
    """A corpus of ``count`` clips spread over another, by links."""
    files = sorted((corpus / "AudioWAV").iterdir())
    (folder / "AudioWAV").mkdir(parents=True)
    for index in range(count):
        file = files[index * len(files) // count]
        (folder / "AudioWAV" / file.name).symlink_to(file)
    return folder


def repeated(corpus: Path, folder: Path, *, times: int) -> Path:
    """A corpus ``times`` over, each time by other actors, and no two clips the same sound: a sample differs."""
    (folder / "AudioWAV").mkdir(parents=True)
    for file in sorted((corpus / "AudioWAV").iterdir()):
        samples, rate = soundfile.read(file, dtype="int16")
        actor, rest = file.stem.split("_", 1)
        for number in range(times):
            samples[0] = number
            soundfile.write(folder / "AudioWAV" / f"{int(actor) + 100 * number}_{rest}.wav", samples, rate)
    return folder


class Workspace:
    """A clone of the project's last commit, with some parameters changed."""

    def __init__(self, folder: Path, changes: dict):
        self.folder = folder
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
        self.change(changes)

    def change(self, changes: dict) -> None:
        """Set parameters by their dotted keys."""
        path = self.folder / "params.yaml"
        params = yaml.safe_load(path.read_text())
        for key, value in changes.items():
            *parents, last = key.split(".")
            block = params
            for parent in parents:
                block = block[parent]
            block[last] = value
        path.write_text(yaml.safe_dump(params, sort_keys=False))

    def environment(self, **extra: str) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return os.environ | {"PATH": path, "PYTHONPATH": str(self.folder), "DVC_NO_ANALYTICS": "1"} | extra

    def run(self, *command: str, **extra: str) -> str:
        """Run a command there and return what it printed; its failure ends the benchmark."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment(**extra), capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def stages(self, *names: str, **extra: str) -> float:
        """Run stages' scripts without DVC, one after another: the seconds they took."""
        start = time.perf_counter()
        for name in names:
            self.run(sys.executable, "-m", f"stages.{name}", **extra)
        return time.perf_counter() - start

    def peak_of(self, name: str) -> tuple[float, int]:
        """Seconds of a stage, and the most resident bytes of its processes together."""
        start, found = time.perf_counter(), 0
        process = subprocess.Popen(
            [sys.executable, "-m", f"stages.{name}"],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
        reader.start()
        while process.poll() is None:
            found = max(found, resident_bytes(process.pid))
            time.sleep(0.05)
        reader.join()
        if process.returncode:
            sys.exit(f"stage {name} failed:\n{errors[0]}")
        return time.perf_counter() - start, found

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its children; what they share is counted for each."""
    total = 0
    try:
        parent = psutil.Process(pid)
        processes = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total
