"""The reference of ``params.yaml``, from the models that check it and the stages that watch it."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from ser.networks.network import find_network
from ser.params import Params
from ser.scoring.tables import markdown

HEADER = ["parameter", "default", "type and range", "stages that it reruns, and what follows them"]


def parameter_tables(params: Params, stages: dict[str, dict]) -> str:
    """A table for each block: every parameter with its default, its type and range, and what it reruns.

    Parameters
    ----------
    params : the defaults
    stages : of ``dvc.yaml``
    """
    parts = []
    for block, values in params.blocks().items():
        network = block.removeprefix("train_") if block.startswith("train_") else None
        model: Any = find_network(network).settings if network else Params.model_fields[block].annotation
        rows = [
            [f"`{key}`", f"`{_shown(value)}`", kind, ", ".join(f"`{name}`" for name in watchers(key, stages))]
            for key, value, kind in _rows(block, values, model)
        ]
        parts.append(f"## {block}\n\n{_first_line(model)}\n\n{markdown(HEADER, rows)}")
    return "\n\n".join(parts)


def watchers(key: str, stages: dict[str, dict]) -> list[str]:
    """The stages that list a parameter, or a block that holds it."""
    return [
        name
        for name, stage in stages.items()
        if any(key == entry or key.startswith(f"{entry}.") for entry in stage.get("params", []))
    ]


def _rows(prefix: str, values: dict, model: type[BaseModel]) -> Iterator[tuple[str, Any, str]]:
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        key, value = f"{prefix}.{name}", values[name]
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _rows(key, value, field.annotation)
        else:
            yield key, value, _kind(schema["properties"][name])


def _kind(schema: dict) -> str:
    """A type and its range in words."""
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    limits = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}", "exclusiveMaximum": "below {}"}
    said = [text.format(f"{schema[key]:g}") for key, text in limits.items() if key in schema]
    if "multipleOf" in schema:
        said.append(f"a multiple of {schema['multipleOf']:g}")
    names = {
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "string": "text",
        "null": "null",
    }
    kind = schema.get("type", "")
    if kind == "array":
        return f"list of: {_kind(schema['items'])}"
    if kind == "object":
        return f"name: {_kind(schema['additionalProperties'])}, ..."
    return " ".join([names.get(kind, kind), *said])


def _shown(value: Any) -> str:
    """A value as YAML has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_shown(own)}' for key, own in value.items())}}}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]
