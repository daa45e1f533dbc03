"""A bundle: everything that an answer needs, in one file that is safe to open.

A bundle is a ZIP archive of ``bundle.json`` and one ONNX file for each network. ``bundle.json`` holds
the order of the emotions, which columns of which features each network reads, the parameters of
preprocessing and features, the temperature and the threshold, package versions, the corpus, the split, the
metrics, and a hash of each network and of itself. Nothing in it is ever executed or unpickled.
"""

import hashlib
import io
import json
import re
import zipfile
import zlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from ser.answers.bundle_schema import check_description
from ser.answers.onnx_check import description_of
from ser.errors import InputError

FORMAT, FORMAT_VERSION = "ser-bundle", 5
NETWORK_FILE = re.compile(r"([a-z][a-z0-9_]{0,40})\.onnx")
MOST_NETWORKS = 10
LARGEST_BYTES = 100_000_000  # of all files inside; a small archive may unpack to a huge one
LARGEST_DESCRIPTION = 1_000_000  # bytes of bundle.json
# Packages that compute something between a recording and its answer.
COMPUTING_PACKAGES = ("numpy", "scipy", "soxr", "onnxruntime")


@dataclass(frozen=True)
class PackedNetwork:
    """A network of a bundle: the array that it reads, the names of its columns of it, and its ONNX bytes."""

    features: str
    columns: list[str]
    model: bytes


def packed_network(model: bytes) -> PackedNetwork:
    """A network from its ONNX bytes, which say what it reads."""
    says = description_of(model)
    return PackedNetwork(says["features"], json.loads(says["columns"]), model)


@dataclass(frozen=True)
class Bundle:
    """What a bundle holds: its description and its networks; ``name`` is for messages."""

    about: dict
    networks: dict[str, PackedNetwork]
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


def pack(about: dict, networks: dict[str, PackedNetwork]) -> bytes:
    """The bytes of a bundle; the same for the same content.

    Parameters
    ----------
    about : description without the keys that this function adds: ``format``, ``format_version``,
        ``networks`` and ``hash``
    """
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "networks": {
            name: {"hash": _hash(own.model), "features": own.features, "columns": own.columns}
            for name, own in networks.items()
        },
        **about,
    }
    content["hash"] = _hash(_canonical(content))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        entries = {"bundle.json": json.dumps(content, indent=1).encode()}
        for name, data in (entries | {f"{name}.onnx": own.model for name, own in networks.items()}).items():
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
    models = {file.removesuffix(".onnx"): model for file, model in content.items()}
    stated = about.pop("hash", None)
    if stated != _hash(_canonical(about)) or _stated_hashes(about) != {n: _hash(model) for n, model in models.items()}:
        raise InputError(f"{name}: damaged or changed: its hashes do not match its content. Get it again.")
    try:
        check_description(about)
    except InputError as error:
        raise InputError(f"{name}: {error}.") from error
    packed_networks = {
        network: PackedNetwork(own["features"], own["columns"], models[network])
        for network, own in about["networks"].items()
    }
    return Bundle(about | {"hash": stated}, packed_networks, name)


def _stated_hashes(about: dict) -> dict | None:
    """The hash of each network by the description; ``None`` where it says none."""
    networks = about.get("networks")
    if not isinstance(networks, dict) or not all(isinstance(own, dict) for own in networks.values()):
        return None
    return {name: own.get("hash") for name, own in networks.items()}


def _unzipped(packed: bytes, name: str) -> dict[str, bytes]:
    """The files of the archive: the known ones, each once, and not larger than memory bears."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            foreign = [file for file in names if file != "bundle.json" and not NETWORK_FILE.fullmatch(file)]
            large = sum(entry.file_size for entry in entries) > LARGEST_BYTES or any(
                entry.file_size > LARGEST_DESCRIPTION for entry in entries if entry.filename == "bundle.json"
            )
            if not large and not foreign and len(set(names)) == len(names) <= MOST_NETWORKS + 1:
                return {"bundle.json": b"{}"} | {file: archive.read(file) for file in names}
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError) as error:
        raise InputError(f"{name}: no bundle, or a damaged one ({error}).") from error
    if large:
        raise InputError(f"{name}: too large for a bundle when unpacked; not opened.")
    shown = ", ".join(ascii(file)[1:-1][:60] for file in foreign[:3]) or "a file twice"
    raise InputError(f"{name}: no bundle of this project: holds {shown}.")


def _description(text: bytes, name: str) -> dict:
    try:
        about = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: no bundle, or a damaged one ({error}).") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise InputError(f"{name}: no bundle of this project. 'dvc repro' makes one, models/bundle.zip.")
    if about.get("format_version") != FORMAT_VERSION:
        raise InputError(
            f"{name}: bundle format {str(about.get('format_version'))[:20]}; this version of ser reads "
            f"{FORMAT_VERSION}. Export it again, or install the version that made it."
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
