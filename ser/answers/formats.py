"""An answer as a line of a table, as JSON, as a row of CSV."""

import shutil
from collections.abc import Sequence

from ser.answers.files import Outcome
from ser.answers.recognition import Recognition

BAR_CELLS = 20
ANSWER_COLUMNS = ("file", "emotion", "probability", "sure", "second", "second_probability")


def csv_columns(emotions: Sequence[str]) -> list[str]:
    """Columns of a table of answers."""
    return [*ANSWER_COLUMNS, *emotions, "duration_seconds", "error"]


def timeline_columns(emotions: Sequence[str]) -> list[str]:
    """Columns of a table of stretches."""
    return ["file", "start_seconds", "end_seconds", "emotion", "probability", *emotions, "error"]


def as_record(outcome: Outcome, *, timeline: bool = True, caution: str | None = None) -> dict:
    """Everything about an outcome, as JSON shows it.

    Parameters
    ----------
    timeline : whether a long recording's timeline is in it
    caution : why no answer of the bundle means anything; see ``ser.answers.card.caution``
    """
    said = {"caution": caution} if caution else {}
    found = outcome.recognition
    if found is None:
        return {"file": outcome.file, "error": {"kind": outcome.kind, "message": outcome.message}} | said
    first, second = found.order[:2]
    record = {
        "file": outcome.file,
        "emotion": found.emotion,
        "probability": _rounded(found.probabilities[first]),
        "sure": found.sure,
        "certainty": found.certainty,
        "doubts": list(found.doubts),
        "second": found.emotions[second],
        "second_probability": _rounded(found.probabilities[second]),
        "probabilities": _by_emotion(found, found.probabilities),
        "networks": {name: _by_emotion(found, given) for name, given in found.networks.items()},
        "duration_seconds": round(found.duration_seconds, 3),
    }
    return record | ({"timeline": _timeline(found)} if timeline and len(found.windows) > 1 else {}) | said


def _timeline(found: Recognition) -> list[dict]:
    rows = []
    for window in found.timeline:
        said: dict = {"emotion": None, "reason": window.reason}
        if window.probabilities is not None:
            probabilities = _by_emotion(found, window.probabilities)
            said = {"emotion": found.label_of(window), "probabilities": probabilities}
        times = {"start_seconds": round(window.start_seconds, 3), "end_seconds": round(window.end_seconds, 3)}
        rows.append(times | said)
    return rows


def as_csv_row(outcome: Outcome) -> dict:
    """An outcome in ``csv_columns``; what is empty is left out."""
    record = as_record(outcome, timeline=False)
    if "error" in record:
        return {"file": outcome.file, "error": outcome.message}
    named = {column: record[column] for column in (*ANSWER_COLUMNS, "duration_seconds")}
    return named | record["probabilities"] | {"error": ""}


def as_timeline_rows(outcome: Outcome) -> list[dict]:
    """A row in ``timeline_columns`` for each stretch of a recording, or one row that says why there is none."""
    record = as_record(outcome)
    if "error" in record:
        return [{"file": outcome.file, "error": outcome.message}]
    whole = {"start_seconds": 0.0, "end_seconds": record["duration_seconds"]}
    stretches = record.get("timeline") or [whole | {key: record[key] for key in ("emotion", "probabilities")}]
    return [
        {
            "file": outcome.file,
            "start_seconds": row["start_seconds"],
            "end_seconds": row["end_seconds"],
            "emotion": row["emotion"] or "",
            "probability": row["probabilities"][row["emotion"]] if row["emotion"] else "",
            **row.get("probabilities", {}),
            "error": row.get("reason", ""),
        }
        for row in stretches
    ]


def table_header(width: int) -> str:
    """The first line of the table; ``width`` is that of the files' names."""
    return f"{'file':<{width}}  {'emotion':<10} {'prob.':>5}  {'second':<10} {'prob.':>5}"


def table_line(outcome: Outcome, width: int) -> str:
    """An outcome as a line of the table on a terminal."""
    name = shorten(outcome.file, width)
    found = outcome.recognition
    if found is None:
        return f"{name:<{width}}  {outcome.message}"
    first, second = found.order[:2]
    one, two = (f"{found.emotions[place]:<10} {found.probabilities[place]:5.2f}" for place in (first, second))
    told = [*([] if found.sure else [found.certainty]), *(["; ".join(found.doubts)] if found.doubts else [])]
    unsure = f"  {': '.join(told)}" if told else ""
    return f"{name:<{width}}  {one}  {two}  {bar(found.probabilities[first])}{unsure}"


def timeline_lines(found: Recognition) -> list[str]:
    """A long recording's windows, one a line, neighbours of one label together with their mean probability."""
    lines = []
    for label, windows in found.stretches:
        line = f"  {clock(windows[0].start_seconds)} to {clock(windows[-1].end_seconds)}  {label:<10}"
        if label in found.emotions:
            mean = sum(float(window.spoken.max()) for window in windows) / len(windows)
            line += f" {mean:.2f}  {bar(mean)}"
        lines.append(line)
    return lines


def bar(share: float) -> str:
    """A bar of ``BAR_CELLS`` for a share of 1."""
    full = round(share * BAR_CELLS)
    return "█" * full + "·" * (BAR_CELLS - full)


def clock(seconds: float) -> str:
    """Minutes, seconds and tenths."""
    return f"{int(seconds // 60):3d}:{seconds % 60:04.1f}"


def shorten(name: str, width: int) -> str:
    """A name that fits, by leaving out its beginning; what a terminal would act on is replaced."""
    name = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name)
    return name if len(name) <= width else "…" + name[-(width - 1) :]


def name_width(names: list[str]) -> int:
    """Cells for the files' names on this terminal."""
    room = shutil.get_terminal_size((110, 24)).columns - 62
    return max(12, min(max(map(len, names), default=12), room))


def _by_emotion(found: Recognition, probabilities) -> dict[str, float]:
    return {emotion: _rounded(value) for emotion, value in zip(found.emotions, probabilities, strict=True)}


def _rounded(value) -> float:
    return round(float(value), 6)
