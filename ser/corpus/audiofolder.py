"""Hugging Face's ``audiofolder``: recordings beside a ``metadata.csv`` or ``metadata.jsonl``."""

import json
from pathlib import Path

from ser import artifacts
from ser.corpus.clips import Format
from ser.errors import InputError

METADATA = ("metadata.csv", "metadata.jsonl")
# What public data sets call the columns, the first that is there.
COLUMNS = {"speaker": ("speaker", "speaker_id", "actor"), "emotion": ("emotion", "label"), "sex": ("sex", "gender")}


def audiofolder_rows(folder: Path) -> list[dict]:
    """Rows of ``ser.corpus.table`` from every metadata file below a folder; their paths are relative to the folder.

    Raises
    ------
    InputError : no metadata file, or one without a column that is needed
    """
    tables = sorted(path for name in METADATA for path in folder.rglob(name))
    if not tables:
        raise InputError(f"{folder}: holds no {' or '.join(METADATA)}. docs/corpora.md says what it must hold.")
    return [row for table in tables for row in _rows(table, folder)]


def _rows(table: Path, folder: Path) -> list[dict]:
    if table.suffix == ".csv":
        lines = artifacts.read_csv(table)
    else:
        try:
            text = table.read_bytes().decode("utf-8-sig")
            lines = [json.loads(line) for line in text.split("\n") if line.strip()]
        except ValueError as error:
            raise InputError(f"{table}: not valid JSON Lines ({error}).") from error
    known = set(lines[0]) if lines else set()
    found = {name: next((one for one in names if one in known), None) for name, names in COLUMNS.items()}
    missing = [" or ".join(COLUMNS[name]) for name in ("speaker", "emotion") if found[name] is None]
    missing += [] if "file_name" in known else ["file_name"]
    if missing:
        raise InputError(f"{table}: lacks the column {', and '.join(missing)}, or has no row.")
    needed = {"file_name": "file_name", **{name: found[name] for name in ("speaker", "emotion")}}
    for number, line in enumerate(lines, start=1):
        empty = [column for column in needed.values() if line.get(column) in (None, "")]
        if empty:
            raise InputError(f"{table}: row {number} has no {' and no '.join(map(str, empty))}.")
    above = table.parent.relative_to(folder)
    return [
        {"path": (above / str(line["file_name"])).as_posix()}
        | {name: _text(line.get(column)) for name, column in found.items() if column is not None}
        for line in lines
    ]


def _text(value) -> str:
    """A cell as text; classes and speakers are often numbers from 0 on."""
    return "" if value is None else str(value)


FORMAT = Format("", "a corpus of your own", "the terms of the recordings that it was trained on", rows=audiofolder_rows)
