"""The bundle at a path, or the one that comes with the package."""

import os
from importlib.resources import files

from ser import artifacts
from ser.answers.bundle import Bundle, unpack
from ser.errors import InputError


def open_bundle(path: str | None) -> Bundle:
    """A bundle, checked whole.

    Raises
    ------
    InputError : no such file, or no bundle that can be used
    """
    if path is None:
        return unpack(files("ser").joinpath("pretrained.zip").read_bytes(), name="the bundle of this package")
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file. 'dvc repro' writes a bundle to models/bundle.zip.")
    return unpack(artifacts.read_bytes(path), name=path)
