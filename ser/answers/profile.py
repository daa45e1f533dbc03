"""A profile: what recordings of one voice on one microphone have in common, without the recordings.

It holds, for each network of a bundle, sums over the frames and over what the network says of some unlabelled
clips (see ``ser.networks.speaker``). The file is JSON of some ten kilobytes; nothing in it is executed.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ser import artifacts
from ser.errors import InputError

FORMAT, FORMAT_VERSION = "ser-profile", 1
LARGEST_BYTES = 2_000_000
LARGEST_SUM = 1e12


class _Content(BaseModel):
    """The file, checked."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["ser-profile"]
    format_version: Literal[1]
    bundle: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    clips: Annotated[int, Field(ge=1, le=1_000_000)]
    sums: Annotated[dict[str, str], Field(min_length=1, max_length=10)]
    hash: str


@dataclass(frozen=True, eq=False, repr=False)
class Profile:
    """What some recordings of one voice on one microphone have in common: sums over their clips.

    Attributes
    ----------
    bundle : hash of the bundle whose networks they are of
    clips : number of clips, which are windows of three seconds or shorter recordings
    sums : shape ``(sums,)``, of each network
    warnings : why it may not help, where it was just made; a file does not hold them

    Examples
    --------
    >>> import numpy as np, ser
    >>> time = np.arange(32000) / 16000
    >>> voiced = sum(np.sin(2 * np.pi * 200 * k * time) / k for k in range(1, 6)) / 5
    >>> ser.load().calibrate([voiced, voiced[:24000]], 16000)  # doctest: +ELLIPSIS
    <ser.Profile of 2 clips, for the bundle ...>
    """

    bundle: str
    clips: int
    sums: dict[str, NDArray[np.float32]]
    warnings: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Profile) and self.content() == other.content()

    def __hash__(self) -> int:
        return hash(self.content()["hash"])

    def __repr__(self) -> str:
        return f"<ser.Profile of {self.clips} clips, for the bundle {self.bundle[:16]}>"

    def content(self) -> dict:
        """What its file holds."""
        content = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "bundle": self.bundle,
            "clips": self.clips,
            "sums": {name: base64.b64encode(own.astype("<f4").tobytes()).decode() for name, own in self.sums.items()},
        }
        return content | {"hash": _hash(content)}

    def save(self, path: str | Path) -> None:
        """Write the profile to a file; the same bytes for the same clips.

        Examples
        --------
        >>> import pathlib, tempfile, numpy as np, ser
        >>> time = np.arange(32000) / 16000
        >>> voiced = sum(np.sin(2 * np.pi * 200 * k * time) / k for k in range(1, 6)) / 5
        >>> model, path = ser.load(), pathlib.Path(tempfile.mkdtemp()) / "me.profile"
        >>> model.calibrate(voiced, 16000).save(path)
        >>> model.predict(voiced, 16000, profile=path).duration_seconds
        2.0
        """
        artifacts.write_json(path, self.content())


def read_profile(path: str | Path) -> Profile:
    """Read and check a profile; ``Recognizer.with_profile`` checks that it is of its bundle.

    Raises
    ------
    InputError : no such file, no profile, or one that was damaged or changed
    """
    try:
        with open(path, "rb") as file:
            packed = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}. 'ser calibrate' makes a profile.") from error
    return parse_profile(packed, name=str(path))


def parse_profile(packed: bytes, *, name: str) -> Profile:
    """A profile from the bytes of its file; see ``read_profile``.

    Parameters
    ----------
    name : what a message calls it
    """
    try:
        if len(packed) > LARGEST_BYTES:
            raise ValueError("larger than a profile is")
        content = json.loads(packed)
        checked = _Content.model_validate(content)
        stated = content.pop("hash")
        sums = {key: np.frombuffer(base64.b64decode(text, validate=True), "<f4") for key, text in checked.sums.items()}
    except ValidationError as error:
        problem = error.errors()[0]
        where = ascii(".".join(map(str, problem["loc"])))[1:-1][:60]
        raise InputError(f"{name}: no profile, or a damaged one ({where}: {problem['msg']}).") from error
    except (ValueError, RecursionError) as error:
        reason = ascii(str(error))[1:-1][:100]
        raise InputError(f"{name}: no profile, or a damaged one ({reason}).") from error
    if stated != _hash(content) or not all(np.abs(own).max(initial=0) < LARGEST_SUM for own in sums.values()):
        raise InputError(f"{name}: a damaged or changed profile. Make it again with 'ser calibrate'.")
    return Profile(checked.bundle, checked.clips, {key: own.astype(np.float32) for key, own in sums.items()})


def _hash(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
