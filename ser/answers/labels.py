"""Timelines as label files that people open beside the sound: in Audacity, in Praat or in ELAN."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from ser import artifacts
from ser.answers.recognition import Recognition


def label_rows(found: Recognition) -> list[tuple[float, float, str]]:
    """Start and end in seconds and label of each stretch; neighbours of one label are joined."""
    return [(windows[0].start_seconds, windows[-1].end_seconds, label) for label, windows in found.stretches]


def write_audacity(path: Path, found: Recognition) -> None:
    """A label track of Audacity: start, end and label, with tabs between."""
    lines = [f"{start:.3f}\t{end:.3f}\t{label}\n" for start, end, label in label_rows(found)]
    artifacts.write_bytes(path, "".join(lines).encode())


def write_textgrid(path: Path, found: Recognition) -> None:
    """A TextGrid with the tier ``emotion``, for Praat and ELAN."""
    from praatio.textgrid import IntervalTier, Textgrid

    grid = Textgrid()
    grid.addTier(IntervalTier("emotion", label_rows(found), 0, found.duration_seconds))
    with tempfile.TemporaryDirectory() as folder:  # praatio writes to a name only
        written = Path(folder) / "grid"
        grid.save(str(written), format="long_textgrid", includeBlankSpaces=True)
        artifacts.write_bytes(path, written.read_bytes())


LABELS: dict[str, tuple[str, Callable[[Path, Recognition], None]]] = {
    "audacity": (".emotions.txt", write_audacity),
    "textgrid": (".emotions.TextGrid", write_textgrid),
}
