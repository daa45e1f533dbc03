"""audEERING's ``audformat``: a database as ``db.yaml`` with its tables, such as ``audb`` gives it.

https://audeering.github.io/audformat/data-format.html
"""

from pathlib import Path

from ser import artifacts
from ser.corpus.clips import Format
from ser.errors import InputError

SEX = ("sex", "gender")
READ = ("emotion", "speaker", *SEX)


def audformat_rows(folder: Path) -> list[dict]:
    """Rows of ``ser.corpus.table`` from a database's tables, put together by file.

    Raises
    ------
    InputError : no database, no column for emotions or speakers, or tables of segments instead of files
    """
    if not (folder / "db.yaml").is_file():
        raise InputError(f"{folder}: not an audformat database: db.yaml is missing.")
    tables = [artifacts.read_csv(path) for path in sorted(folder.glob("db.*.csv"))]
    tables += [_parquet_rows(path) for path in sorted(folder.glob("db.*.parquet"))]
    whole = [rows for rows in tables if rows and "file" in rows[0] and "start" not in rows[0]]
    if any(rows and "emotion" in rows[0] and "start" in rows[0] for rows in tables):
        raise InputError(f"{folder}: its emotions are of segments. Cut them into files first, such as by audb.")
    said: dict[str, dict] = {}
    for row in (row for rows in whole for row in rows):
        known = said.setdefault(row["file"], {})
        for column in (column for column in READ if row.get(column)):
            if known.setdefault(column, row[column]) != row[column]:
                raise InputError(
                    f"{folder}: its tables give {row['file']} two values of {column}, {known[column]} and "
                    f"{row[column]}. Keep one of them."
                )
    silent = [file for file, row in said.items() if "emotion" in row and "speaker" not in row]
    if not any("emotion" in row for row in said.values()):
        raise InputError(
            f"{folder}: none of its {len(tables)} tables (CSV or Parquet) has the columns file and emotion."
        )
    if silent:
        raise InputError(f"{folder}: no table says the speaker of {silent[0]} and {len(silent) - 1} others.")
    return [
        {"path": file, "speaker": row["speaker"], "emotion": row["emotion"]}
        | {"sex": next((row[column] for column in SEX if column in row), "")}
        for file, row in said.items()
        if "emotion" in row
    ]


def _parquet_rows(path: Path) -> list[dict]:
    """The rows of a table; what is missing is empty, as in CSV."""
    table = artifacts.read_parquet(path)
    return table.astype(object).where(table.notna(), "").astype(str).to_dict("records")


FORMAT = Format("", "a corpus of your own", "the terms of the recordings that it was trained on", rows=audformat_rows)
