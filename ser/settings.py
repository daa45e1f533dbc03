"""The types that parameters are made of; what stands in ``params.yaml`` and in a bundle is checked with them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, lt=1)]  # neither none nor all
Rate = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0.001, le=1000)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Emotion = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_ -]{0,30}$")]
Labels = Annotated[dict[str, Emotion], Field(min_length=2, max_length=1000)]  # the emotion of each word of a corpus
Families = Annotated[list[str], Field(min_length=1)]


class Block(BaseModel):
    """A block of parameters: every key required, unknown keys and wrong types refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Schedule(BaseModel):
    """What every network's block has; the rest is checked by the network itself, see ``ser.networks.network``."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    epochs: Count
    patience_epochs: Count
    seed: Seed
