"""Measure, and write what was found.

    make bench                                    everything
    .venv-bench/bin/python -m benchmarks growth   one part

Every part replaces its own figures in ``benchmarks/results.json``; ``benchmarks/results.md`` is written
from that file.
"""

import argparse
import os
import platform
import tempfile
from datetime import date
from pathlib import Path

import psutil

from benchmarks import answers, pipeline, report, simulation
from benchmarks.workspace import ROOT, corpus_at_hand
from ser import artifacts

PARTS = {
    "operations": pipeline.operations,
    "features": pipeline.audio_to_features,
    "cold": pipeline.cold_start,
    "growth": pipeline.growth,
    "caching": pipeline.caching,
    "training": pipeline.training,
    "answers": answers.answers,
    "scaling": simulation.simulate,
}
RESULTS = ROOT / "benchmarks" / "results.json"


def machine() -> dict:
    """What the figures were measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory GiB": round(psutil.virtual_memory().total / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure; see benchmarks/results.md.")
    parser.add_argument("part", nargs="*", help=f"some of {', '.join(PARTS)}; by default all")
    parser.add_argument("--corpus", type=Path, help="folder with AudioWAV/; by default CREMA-D where it is")
    options = parser.parse_args()
    unknown = set(options.part) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; expected some of {', '.join(PARTS)}")
    corpus = options.corpus.resolve() if options.corpus else corpus_at_hand()
    results = artifacts.read_json(RESULTS) if RESULTS.exists() else {}
    for name in options.part or PARTS:
        with tempfile.TemporaryDirectory(prefix="ser-bench-") as scratch:
            found = PARTS[name](corpus, Path(scratch))
        results[name] = {"date": date.today().isoformat(), "machine": machine(), "found": found}
        artifacts.write_json(RESULTS, results)
        artifacts.write_bytes(ROOT / "benchmarks" / "results.md", report.page(results).encode())
        print(f"{name}: measured, benchmarks/results.md", flush=True)


if __name__ == "__main__":
    main()
