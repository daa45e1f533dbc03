"""A soak of ``ser app``: clients, bad uploads, bombs and stalled connections at once, on this machine only.

``make soak`` runs five minutes of it; ``python -m benchmarks.soak --seconds 20`` less.
"""

import argparse
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile

CLIENTS, STALLED = 32, 16
SECONDS_TO_START = 60
PATIENCE_SECONDS = 60.0


class Client(threading.Thread):
    """Sends recordings one after another, every fifth of them bad, and keeps how long each answer took."""

    def __init__(self, port: int, bodies: dict[str, bytes], until: float, seed: int):
        super().__init__(daemon=True)
        self.port, self.bodies, self.until = port, bodies, until
        self.rng = np.random.default_rng(seed)
        self.seconds: list[float] = []
        self.statuses: Counter = Counter()

    def run(self) -> None:
        bad = [name for name in self.bodies if name != "voice"]
        while time.monotonic() < self.until:
            name = bad[self.rng.integers(len(bad))] if self.rng.random() < 0.2 else "voice"
            start = time.monotonic()
            status = self.ask(self.bodies[name])
            if name == "voice":
                self.seconds.append(time.monotonic() - start)
            self.statuses[(name, status)] += 1

    def ask(self, body: bytes) -> int | str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("POST", "/predict", body)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except OSError as error:
            return type(error).__name__
        finally:
            connection.close()


class Staller(threading.Thread):
    """Opens connections and sends half a request on each, again and again."""

    def __init__(self, port: int, until: float):
        super().__init__(daemon=True)
        self.port, self.until = port, until

    def run(self) -> None:
        while time.monotonic() < self.until:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
                    client.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999\r\n\r\nRIFF")
                    client.settimeout(min(20.0, max(0.1, self.until - time.monotonic())))
                    client.recv(1000)
            except OSError:
                continue


def bodies() -> dict[str, bytes]:
    """Recordings and what only claims to be one, by name."""
    rng = np.random.default_rng(0)
    time_s = np.arange(40_000) / 16_000
    voice = sum(np.sin(2 * np.pi * 180 * k * time_s) / k for k in range(1, 8)) * 0.1 + 0.005 * rng.standard_normal(
        40_000
    )
    whole = _encoded(voice, 16_000, "WAV", "PCM_16")
    return {
        "voice": whole,
        "cut": whole[: len(whole) // 2],
        "noise": rng.bytes(50_000),
        "nothing": b"",
        "ten hours": _encoded(np.zeros(8000 * 3600, np.int16), 8000, "FLAC", "PCM_16"),
        "adpcm": _encoded(np.zeros((20_000_000, 2), np.int16), 96_000, "WAV", "IMA_ADPCM"),
        "large": bytes(51_000_000),
    }


def _encoded(samples: np.ndarray, rate: int, container: str, subtype: str) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format=container, subtype=subtype)
    return content.getvalue()


def soak(seconds: float) -> dict:
    """Run all of it for some seconds.

    Returns
    -------
    requests a second, percentiles of good recordings in milliseconds, answers by kind and status, peak memory in MB
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ser", "app", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for_server(port)
            start = time.monotonic()
            given, until = bodies(), start + seconds
            clients = [Client(port, given, until, seed) for seed in range(CLIENTS)]
            stallers = [Staller(port, until) for _ in range(STALLED)]
            for thread in (*clients, *stallers):
                thread.start()
            for client in clients:
                client.join(seconds + 2 * PATIENCE_SECONDS)
            return _figures(clients, time.monotonic() - start, server.pid)
        finally:
            server.terminate()


def wait_for_server(port: int) -> None:
    """Wait until something listens there."""
    limit = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < limit:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"the page did not start in {SECONDS_TO_START} s")


def _figures(clients: list[Client], seconds: float, pid: int) -> dict:
    waited = np.concatenate([client.seconds for client in clients]) * 1000
    statuses = sum((client.statuses for client in clients), Counter())
    memory = Path(f"/proc/{pid}/status").read_text()
    return {
        "clients": CLIENTS,
        "stalled_connections": STALLED,
        "seconds": round(seconds),
        "processors": os.cpu_count(),
        "requests_per_second": round(sum(statuses.values()) / seconds, 1),
        "answers_per_second": round(statuses[("voice", 200)] / seconds, 1),
        "milliseconds": {f"p{share}": round(float(np.percentile(waited, share))) for share in (50, 95, 99)},
        "answers": {f"{name}: {status}": count for (name, status), count in sorted(statuses.items(), key=str)},
        "peak_megabytes": int(memory.split("VmHWM:")[1].split()[0]) // 1000,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    print(json.dumps(soak(parser.parse_args().seconds), indent=1))
