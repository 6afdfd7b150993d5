"""The least that a model accepts, made of its own published shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel


def example(model: type[BaseModel]) -> dict[str, Any]:
    """Each required field, with the first value that its schema allows; lists are as short as they may be."""
    schema = model.model_json_schema()
    made: dict[str, Any] = _value(schema, schema.get("$defs", {}))
    return made


def _value(schema: Mapping[str, Any], shapes: Mapping[str, Any]) -> Any:
    match schema:
        case {"$ref": name}:
            return _value(shapes[name.rpartition("/")[2]], shapes)
        case {"const": value} | {"enum": [value, *_]}:
            return value
        case {"anyOf": [first, *_]}:
            return _value(first, shapes)
        case {"type": "object"}:
            return {name: _value(schema["properties"][name], shapes) for name in schema.get("required", ())}
        case {"type": "array"}:
            return [_value(schema["items"], shapes)] * schema.get("minItems", 0)
        case {"type": "string", "format": "date-time"}:
            return "2025-01-05T03:00:00Z"
        case {"type": "string", "pattern": pattern} if "[hd]" in pattern:
            return "24h"
        case {"type": "string"}:
            return "text"
        case {"type": "boolean"}:
            return True
    return int(schema.get("minimum", 1))
