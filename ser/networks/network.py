"""What a network is: one file in this folder, a block ``train_NAME`` in ``params.yaml``, a stage in ``dvc.yaml``.

The file ends with ``NETWORK = Network(...)``. Nothing else in the project knows a network by its name.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import keras
from pydantic import ValidationError

from ser.errors import InputError
from ser.settings import Block, Count, Rate, Seed

if TYPE_CHECKING:
    from ser.params import Params


class NetworkSettings(Block):
    """Parameters that every network has; a network adds its own."""

    spatial_dropout: Rate
    dropout: Rate
    epochs: Count
    patience_epochs: Count
    seed: Seed


@dataclass(frozen=True)
class Network:
    """A network that can be trained.

    Attributes
    ----------
    name : of its stage, its block, its model and its metrics
    features : the array that it reads: ``"features_1d"`` or ``"spectrograms"``
    settings : type of its block
    build : from its settings, frames, mel bands, which come first, and columns that are about the whole frame, to
        untrained convolutions: ``(batch, frames, columns)`` of relative features to ``(batch, channels)``;
        see ``ser.networks.speaker``
    callbacks : Keras callbacks of a training, from the network's settings; none by default
    """

    name: str
    features: str
    settings: type[NetworkSettings]
    build: Callable[[Any, int, int, int], keras.Model]
    callbacks: Callable[[NetworkSettings], Sequence[keras.callbacks.Callback]] = lambda settings: ()

    @property
    def features_path(self) -> str:
        """Where the array lies that the network reads."""
        return f"data/{self.features}.npy"

    @property
    def columns_path(self) -> str:
        """Where the table of that array's columns lies."""
        return f"data/{self.features}.csv"

    def hop_seconds(self, params: "Params") -> float:
        """From one frame of its array to the next."""
        return getattr(params, self.features).hop_length / params.preprocess.sample_rate

    def settings_of(self, params: "Params") -> NetworkSettings:
        """The network's own block of the parameters, checked: of the type ``settings``.

        Raises
        ------
        InputError : a key that is unknown, missing, of a wrong type or out of range
        """
        from ser.params import explain  # only an error needs it

        try:
            return self.settings.model_validate(params.networks[self.name].model_dump())
        except ValidationError as error:
            lines = [explain(problem, f"train_{self.name}") for problem in error.errors()]
            raise InputError("params.yaml: " + "\nparams.yaml: ".join(lines)) from error

    def columns_of(self, params: "Params", table: list[dict]) -> list[int]:
        """Columns of its array that the network reads: of the families that its block names, or all.

        Parameters
        ----------
        table : of the array's columns, each with ``name`` and ``family``; see ``ser.features.families``

        Raises
        ------
        InputError : a family that the array does not have
        """
        families = getattr(self.settings_of(params), "families", None)
        if families is None:
            return list(range(len(table)))
        known = dict.fromkeys(row["family"] for row in table)
        unknown = [family for family in families if family not in known]
        if unknown:
            raise InputError(
                f"params.yaml: train_{self.name}.families: {', '.join(unknown)}: not in {self.columns_path}, which has "
                f"{', '.join(known)}."
            )
        return [number for family in families for number, row in enumerate(table) if row["family"] == family]


def find_network(name: str) -> Network:
    """The network of a file in this folder.

    Raises
    ------
    InputError : no such file, or none that ends with ``NETWORK``
    """
    try:
        return import_module(f"ser.networks.{name}").NETWORK
    except (ModuleNotFoundError, AttributeError) as error:
        raise InputError(
            f"params.yaml: train_{name}: ser/networks/{name}.py does not define NETWORK ({error}). Add the network, or "
            f"remove the block."
        ) from error
