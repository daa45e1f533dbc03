"""Answers: files and hours that ``ser predict`` gets through, its cold start, and the server under plain clients."""

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median

import numpy as np
import soundfile

from benchmarks.soak import wait_for_server
from benchmarks.timing import REPEATS
from benchmarks.workspace import ROOT
from ser.answers.files import STATUS
from ser.audio.reading import read_audio

FILES, HOUR_SECONDS, SAMPLE_RATE = 900, 3600, 16_000
CLIENTS, REQUESTS_SECONDS = 32, 15.0


def answers(corpus: Path, scratch: Path) -> dict:
    """Each figure is the median of ``REPEATS`` runs of the command, its start included; the server's are of one run.

    The files are answered by threads; those of the whole corpus, if it is as large as CREMA-D, by processes.
    """
    clips = sorted(path for path in (corpus / "AudioWAV").iterdir() if path.is_file())
    chosen = [clips[index * len(clips) // FILES] for index in range(FILES)]
    hour = scratch / "hour.wav"
    spoken = np.concatenate([read_audio(clip)[0][:, 0] for clip in chosen])
    soundfile.write(hour, np.resize(spoken, HOUR_SECONDS * SAMPLE_RATE), SAMPLE_RATE)
    cold = predict(chosen[:1])
    return {
        "files": FILES,
        "seconds for one file": cold,
        "files a second": (FILES - 1) / (predict(chosen) - cold),
        "all files": len(clips),
        "all files a second": len(clips) / predict([corpus / "AudioWAV"]),
        "seconds for an hour": predict([hour]),
        "server": serve(chosen[0].read_bytes()),
    }


def predict(paths: list[Path]) -> float:
    """Seconds that ``ser predict --csv`` takes for some files."""
    command = [sys.executable, "-m", "ser", "predict", "--csv", *map(str, paths)]
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        seconds.append(time.perf_counter() - start)
        if done.returncode not in (0, *STATUS.values()):  # CREMA-D has a silent clip, which has no answer
            sys.exit(f"{' '.join(command[:5])} ...: {done.stderr}")
    return median(seconds)


def serve(recording: bytes) -> dict:
    """Requests a second and the time of each, of clients that keep their connections and ask one after the other."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ser", "app", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for_server(port)  # which listens before it has started
            ask(port, recording, time.monotonic() + 1, [])
            waited: list[list[float]] = [[] for _ in range(CLIENTS)]
            until = time.monotonic() + REQUESTS_SECONDS
            threads = [threading.Thread(target=ask, args=(port, recording, until, own)) for own in waited]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            server.terminate()
    taken = 1000 * np.concatenate(waited)
    return {
        "clients": CLIENTS,
        "processors": os.cpu_count(),
        "requests a second": len(taken) / REQUESTS_SECONDS,
        "milliseconds": {f"p{share}": float(np.percentile(taken, share)) for share in (50, 95, 99)},
    }


def ask(port: int, recording: bytes, until: float, seconds: list[float]) -> None:
    """Send a recording again and again; the seconds of each answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while time.monotonic() < until:
        start = time.monotonic()
        connection.request("POST", "/predict", recording)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"the server answered {answer.status}")
        seconds.append(time.monotonic() - start)
    connection.close()
