"""A bundle: everything that an answer needs, in one file that is safe to open.

A bundle is a ZIP archive of ``bundle.json`` and one ONNX file for each network. ``bundle.json`` holds
the order of the emotions, the parameters of preprocessing and features, the temperature and the
threshold, package versions, the corpus, the division, the metrics, and a hash of each network and of
itself. Nothing in it is ever executed or unpickled.
"""

import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from ser.answers.bundle_schema import check_description
from ser.emotions import EMOTIONS
from ser.errors import InputError

FORMAT, FORMAT_VERSION = "ser-bundle", 1
NETWORKS = ("cnn1d", "cnn2d")
LARGEST_BYTES = 200_000_000  # of all files inside; a small archive may unpack to a huge one
# Packages that compute something between a recording and its answer.
COMPUTING_PACKAGES = ("numpy", "scipy", "soxr", "onnxruntime")


@dataclass(frozen=True)
class Bundle:
    """What a bundle holds: its description and the ONNX bytes of each network; ``name`` is for messages."""

    about: dict
    networks: dict[str, bytes]
    name: str = "the bundle"


def installed_versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of the packages that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def pack(about: dict, networks: dict[str, bytes]) -> bytes:
    """The bytes of a bundle; the same for the same content.

    Parameters
    ----------
    about : description without the keys that this function adds: ``format``, ``format_version``,
        ``emotions``, ``networks`` and ``hash``
    networks : ONNX bytes by name
    """
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "emotions": list(EMOTIONS),
        "networks": {name: _hash(model) for name, model in networks.items()},
        **about,
    }
    content["hash"] = _hash(_canonical(content))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        entries = {"bundle.json": json.dumps(content, indent=1).encode()}
        for name, data in (entries | {f"{name}.onnx": model for name, model in networks.items()}).items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return packed.getvalue()


def unpack(packed: bytes, *, name: str) -> Bundle:
    """Open a bundle and check that it is whole.

    Parameters
    ----------
    name : what a message calls it, as its path

    Raises
    ------
    InputError : no bundle, one of another format, or one that was damaged or changed
    """
    content = _unzipped(packed, name)
    about = _description(content.pop("bundle.json"), name)
    networks = {network: content.get(f"{network}.onnx", b"") for network in NETWORKS}
    stated = about.pop("hash", None)
    if stated != _hash(_canonical(about)) or about.get("networks") != {
        n: _hash(model) for n, model in networks.items()
    }:
        raise InputError(f"{name}: damaged or changed: its hashes do not match its content. Get it again.")
    if about.get("emotions") != list(EMOTIONS):
        raise InputError(f"{name}: knows the emotions {about.get('emotions')}; this version of ser {list(EMOTIONS)}.")
    try:
        check_description(about)
    except InputError as error:
        raise InputError(f"{name}: {error}.") from error
    return Bundle(about | {"hash": stated}, networks, name)


def _unzipped(packed: bytes, name: str) -> dict[str, bytes]:
    """The files of the archive: the known ones, each once, and not larger than memory bears."""
    known = {"bundle.json"} | {f"{network}.onnx" for network in NETWORKS}
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            entries = archive.infolist()
            foreign = [entry.filename for entry in entries if entry.filename not in known]
            large = sum(entry.file_size for entry in entries) > LARGEST_BYTES
            if not large and not foreign and len(entries) <= len(known):
                return {"bundle.json": b"{}"} | {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError, ValueError) as error:
        raise InputError(f"{name}: no bundle, or a damaged one ({error}).") from error
    if large:
        raise InputError(f"{name}: unpacks to more than {LARGEST_BYTES} bytes; not opened.")
    raise InputError(f"{name}: no bundle of this project: holds {', '.join(foreign[:3]) or 'a file twice'}.")


def _description(text: bytes, name: str) -> dict:
    try:
        about = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: no bundle, or a damaged one ({error}).") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise InputError(f"{name}: no bundle of this project. 'dvc repro' makes one, models/bundle.zip.")
    if about.get("format_version") != FORMAT_VERSION or isinstance(about["format_version"], bool):
        raise InputError(
            f"{name}: bundle format {about.get('format_version')!r}; this version of ser reads {FORMAT_VERSION}. "
            f"Export it again, or install the version that made it."
        )
    return about


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def other_versions(about: dict) -> list[str]:
    """A line for each computing package whose installed version is not the bundle's, patches apart."""
    made_with = about["versions"]
    return [
        f"{package} {made_with[package]}, here {installed}"
        for package, installed in installed_versions(COMPUTING_PACKAGES).items()
        if package in made_with and made_with[package].split(".")[:2] != installed.split(".")[:2]
    ]


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _canonical(content: dict) -> bytes:
    return json.dumps(content, sort_keys=True).encode()
