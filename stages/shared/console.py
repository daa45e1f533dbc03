"""What a stage says to the person who waits: a bar while it works, a line when it is done."""

import sys
import time
from collections.abc import Callable, Iterator

from tqdm import tqdm

from ser.errors import InputError


def run(stage: Callable[[], str]) -> None:
    """Run a stage; print its name, what it returns and its time, or the one line of a user's error."""
    name = stage.__module__ if stage.__module__ != "__main__" else sys.argv[0]
    name = name.rsplit("/", 1)[-1].removesuffix(".py").rsplit(".", 1)[-1]
    start = time.perf_counter()
    try:
        done = stage()
    except InputError as error:
        sys.exit(f"{name}: {error}")
    except OSError as error:
        sys.exit(f"{name}: {error.strerror or error}: {error.filename or 'reading or writing'}")
    print(f"{name}: {done}, {time.perf_counter() - start:.1f} s", flush=True)


def progress(chunks: Iterator, *, total: int, unit: str = "clips") -> Iterator:
    """Pass chunks on (arrays or lists), moving a bar with a rate by the length of each.

    On a terminal the bar moves; in a log it appears every ten seconds.
    """
    interval = 0.1 if sys.stderr.isatty() else 10.0
    with tqdm(total=total, unit=f" {unit}", mininterval=interval, dynamic_ncols=True, smoothing=0.05) as bar:
        for chunk in chunks:
            yield chunk
            bar.update(len(chunk))


def rate(clips: int, start: float) -> str:
    """Clips a second since ``start`` on the performance counter."""
    return f"{clips / max(time.perf_counter() - start, 1e-9):.0f} clips/s"
