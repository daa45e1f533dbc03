"""A corpus that a table lists: ``clips.csv`` with path, speaker and emotion."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from ser import artifacts
from ser.corpus.clips import ClipName, Format, Utterance
from ser.errors import InputError

TABLE = "clips.csv"


def table_parser(rows: list[dict]) -> Callable[[str], Utterance]:
    """A parser for the files that a table lists.

    Parameters
    ----------
    rows : with ``path`` relative to the table, ``speaker`` and ``emotion``; ``sentence`` and ``sex`` are optional

    Raises
    ------
    InputError : a column or a cell is missing, or a path is listed twice
    """
    missing = {"path", "speaker", "emotion"} - set(rows[0] if rows else {})
    if missing:
        raise InputError(f"{TABLE}: lacks the column {' and '.join(sorted(missing))}, or has no row")
    short = [number for number, row in enumerate(rows, start=2) if None in row.values()]
    if short:
        raise InputError(f"{TABLE}: line {short[0]} has fewer cells than the header.")
    rows = [row | {name: row[name].strip() for name in ("speaker", "sex") if name in row} for row in rows]
    silent = [number for number, row in enumerate(rows, start=2) if not row["speaker"]]
    if silent:
        raise InputError(f"{TABLE}: line {silent[0]} has no speaker.")
    numbers = {speaker: number for number, speaker in enumerate(sorted({row["speaker"] for row in rows}), start=1)}
    listed = {table_path(row): row for row in rows}
    if len(listed) < len(rows):
        raise InputError(f"the corpus's table: {len(rows) - len(listed)} paths are listed twice")

    def parse(path: str) -> Utterance:
        if path not in listed:
            raise InputError(f"not listed in {TABLE}")
        row = listed[path]
        stem = path.rsplit(".", 1)[0]
        name = ClipName(stem, numbers[row["speaker"]], row.get("sentence") or "", row["emotion"], "XX")
        return Utterance(name, (row.get("sex") or "").lower() or None)

    return parse


def table_path(row: dict) -> str:
    """The path in a row of the table; ``./a.wav`` is ``a.wav``."""
    return PurePosixPath(row["path"] or "").as_posix()


def table_rows(folder: Path) -> list[dict]:
    """The rows of a corpus's ``clips.csv``.

    Raises
    ------
    InputError : no such file
    """
    if not (folder / TABLE).is_file():
        raise InputError(f"{folder / TABLE}: no such file. docs/corpora.md says what it must hold.")
    return artifacts.read_csv(folder / TABLE)


FORMAT = Format("", "a corpus of your own", "the terms of the recordings that it was trained on", rows=table_rows)
