"""Reading and writing: the only module of ``ser`` that touches the disk.

Every write goes to a neighbouring ``.partial`` file that takes the final name when it is whole, so
a name never stands for half a file.
"""

import csv
import hashlib
import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ser.errors import InputError

GIT_LFS_MARK = b"version https://git-lfs"
LFS_ADVICE = "a Git LFS pointer instead of the file; run 'git lfs pull' in its repository"


@contextmanager
def replacing(path: str | Path, mode: str = "wb") -> Iterator:
    """Open a file that takes the name ``path`` only when everything was written.

    Raises
    ------
    InputError : ``path`` is a device, a pipe or a folder, which a file must not take the place of
    OSError : as the system gives it (a full disk, no permission); nothing is left behind
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a regular file, so it is not overwritten. Name a file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    encoding: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    partial.unlink(missing_ok=True)  # whatever a run before left there, or somebody put there
    try:
        with open(partial, mode.replace("w", "x"), **encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a failed write does not say where
        raise
    finally:
        partial.unlink(missing_ok=True)


def narrow(values: NDArray, dtype: DTypeLike = np.float16) -> NDArray:
    """Values in the precision of an artifact; the array itself where it has that precision.

    Raises
    ------
    InputError : one is too large for it, and would be stored as infinite
    """
    with np.errstate(over="raise"):
        try:
            return values.astype(dtype, copy=False)
        except FloatingPointError as error:
            raise InputError(
                f"A value of {np.abs(values).max():.3g} cannot be stored as {np.dtype(dtype)}, whose largest is "
                f"{np.finfo(dtype).max:.6g}. Is a recording's level, or a parameter of this stage, out of the ordinary?"
            ) from error


class ArrayWriter:
    """Writes an NPY file row block by row block, so that memory holds one block at a time."""

    def __init__(self, file, *, shape: tuple[int, ...], dtype: DTypeLike):
        self._file, self._shape, self._dtype, self._rows = file, shape, np.dtype(dtype), 0
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(file, header)

    def append(self, rows: NDArray) -> None:
        """Write the next rows, shape ``(n, *shape[1:])``, in the file's dtype; see ``narrow``."""
        if rows.shape[1:] != self._shape[1:]:
            raise ValueError(f"Rows of shape {rows.shape[1:]} do not fit an array of shape {self._shape}.")
        converted = narrow(rows, self._dtype)
        self._rows += len(rows)
        # Plain writes, not a memory map: on a full disk they raise, where a map would end the process.
        self._file.write(np.ascontiguousarray(converted).data)

    def close(self) -> None:
        """Check that every row came."""
        if self._rows != self._shape[0]:
            raise ValueError(f"{self._rows} rows were written of {self._shape[0]}.")


@contextmanager
def array_writer(path: str | Path, *, shape: tuple[int, ...], dtype: DTypeLike) -> Iterator[ArrayWriter]:
    """An ``ArrayWriter`` for ``path``; the file appears when all rows were written."""
    with replacing(path) as file:
        writer = ArrayWriter(file, shape=shape, dtype=dtype)
        yield writer
        writer.close()


def _require(path: str | Path) -> None:
    if not Path(path).exists():
        raise InputError(f"{path}: no such file. 'dvc repro' runs the stages that make it.")


def open_array(path: str | Path) -> NDArray:
    """Open an NPY file as a read-only memory map."""
    _require(path)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def write_json(path: str | Path, content: dict) -> None:
    """Write ``content`` with a fixed layout; not-a-number, which JSON lacks, raises ``ValueError``."""
    with replacing(path, "w") as file:
        json.dump(content, file, indent=2, allow_nan=False)
        file.write("\n")


def read_json(path: str | Path) -> dict:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_csv(path: str | Path, rows: list[dict], *, columns: list[str]) -> None:
    """Write ``rows`` under ``columns``, with Unix line ends."""
    with replacing(path, "w") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: str | Path) -> list[dict]:
    """Read a CSV file as a list of ``{column: text}``.

    Raises
    ------
    InputError : a Git LFS pointer, or not UTF-8
    """
    content = (Path(path) if isinstance(path, str) else path).read_bytes()
    if content.startswith(GIT_LFS_MARK):
        raise InputError(f"{path}: {LFS_ADVICE}")
    try:
        return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}). Save it as UTF-8.") from error


def write_parquet(path: str | Path, table) -> None:
    """Write a pandas ``DataFrame``; equal tables give equal bytes."""
    import pyarrow
    import pyarrow.parquet

    with replacing(path) as file:
        pyarrow.parquet.write_table(pyarrow.Table.from_pandas(table, preserve_index=False), file)


def read_parquet(path, columns: list[str] | None = None):
    """Read a Parquet file as a pandas ``DataFrame``; of a long one, only the columns that are needed.

    Parameters
    ----------
    path : of this machine, or below a ``location``

    Raises
    ------
    InputError : no such file, no Parquet, a column that is missing; or pandas or pyarrow is
    """
    here = isinstance(path, str | Path)
    if here:
        _require(path)
    try:
        import pandas

        return pandas.read_parquet(path if here else io.BytesIO(path.read_bytes()), columns=columns)
    except ImportError as error:
        raise InputError(f"{path}: tables as Parquet need pandas and pyarrow: pip install pandas pyarrow.") from error
    except (OSError, ValueError) as error:
        wanted = f", or one without {', '.join(columns)}" if columns else ""
        raise InputError(f"{path}: no Parquet table, a damaged one{wanted} ({error}).") from error


def location(address: str):
    """Where a corpus lies: an absolute path, or what ``fsspec`` makes of an address as ``s3://bucket/crema-d``.

    Absolute, because the workers of a cluster need not have been started in the project's folder.
    """
    if "://" not in address:
        return Path(address).absolute()
    try:
        from upath import UPath

        return UPath(address)
    except (ImportError, ValueError) as error:
        raise InputError(
            f"{address}: cannot be read ({error}). For S3: pip install '.[s3]' in the project's folder; others want "
            f"the package that fsspec names for them."
        ) from error


def write_arrays(path: str | Path, **groups: list[NDArray]) -> None:
    """Write named lists of arrays as one uncompressed NPZ."""
    flat: dict[str, Any] = {
        f"{name}.{i:04d}": array for name, arrays in groups.items() for i, array in enumerate(arrays)
    }
    with replacing(path) as file:
        np.savez(file, **flat)


def read_arrays(path: str | Path) -> dict[str, list[NDArray]]:
    """Read what ``write_arrays`` wrote."""
    groups: dict[str, list[NDArray]] = {}
    with np.load(path, allow_pickle=False) as stored:
        for key in sorted(stored.files):
            groups.setdefault(key.rsplit(".", 1)[0], []).append(stored[key])
    return groups


def write_model(path: str | Path, model) -> None:
    """Save a Keras model as a ``.keras`` archive whose bytes depend on the model alone.

    Keras writes the date and the memory addresses of shared objects into the archive. The date is
    set to the first that ZIP knows; the objects are numbered in the order of their appearance.
    """
    archive = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "model.keras"
        model.save(saved)
        with zipfile.ZipFile(saved) as source, zipfile.ZipFile(archive, "w") as target:
            for name in sorted(source.namelist()):
                content = source.read(name)
                if name == "metadata.json":
                    content = json.dumps(json.loads(content) | {"date_saved": "1980-01-01@00:00:00"}).encode()
                elif name == "config.json":
                    content = _number_shared_objects(content)
                target.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), content)
    with replacing(path) as file:
        file.write(archive.getvalue())


def _number_shared_objects(config: bytes) -> bytes:
    numbers: dict[bytes, int] = {}
    return re.sub(
        rb'(?<="shared_object_id": )\d+',
        lambda match: str(numbers.setdefault(match.group(), len(numbers))).encode(),
        config,
    )


def read_model(path: str | Path):
    """Load a Keras model, ready to predict; runs no code from the file.

    The layers that the file names must be known: import ``ser.networks.layers``, or what imports it, before.
    """
    import keras

    _require(path)
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def hash_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes."""
    _require(path)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write ``content`` as it is."""
    with replacing(path) as file:
        file.write(content)


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file."""
    _require(path)
    return Path(path).read_bytes()


def find_files(folder, suffixes: tuple[str, ...]) -> list[Path]:
    """Files below a folder with one of the suffixes (in lower case), in the order of their paths; hidden ones not."""
    folder = Path(folder) if isinstance(folder, str) else folder
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
