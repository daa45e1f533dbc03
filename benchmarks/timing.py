"""Fair timing on a noisy machine: candidates take turns, and medians are compared within one run."""

import time
from collections.abc import Callable, Mapping
from statistics import median

REPEATS = 5


def alternate(candidates: Mapping[str, Callable[[], object]], *, repeats: int = REPEATS) -> dict[str, list[float]]:
    """Run all candidates in turn, ``repeats`` times: the seconds of each.

    Whoever wants a warm start runs each candidate once before.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, candidate in candidates.items():
            start = time.perf_counter()
            candidate()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(slow: list[float], fast: list[float]) -> float:
    """Median over the rounds of how many times as long ``slow`` took as ``fast`` in the same round."""
    return median(one / other for one, other in zip(slow, fast, strict=True))
