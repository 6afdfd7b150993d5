"""docs/configuration.md and config/schema/*.json, from the models that read config/: nothing of them by hand.

``make reference`` writes them; ``tests/project/test_config_reference.py`` holds them against the models.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from upkeep.settings.base import ROOT
from upkeep.settings.exceptions import Exceptions
from upkeep.settings.maintenance import Maintenance
from upkeep.settings.retention import Retention
from upkeep.settings.routing import Routing
from upkeep.settings.thresholds import Thresholds

#: Each file of config/ by its name, and what reads it.
FILES: Mapping[str, type[BaseModel]] = {
    "maintenance": Maintenance,
    "thresholds": Thresholds,
    "routing": Routing,
    "retention": Retention,
    "exceptions": Exceptions,
}
Schema = Mapping[str, Any]
#: Characters of a cell with values; what is longer is read in the file.
MOST = 80

HEAD = """# Configuration reference

Every setting of `config/*.yaml`, written by `make reference` from the models that read them. Each file says beside its
settings what they are for. An unknown setting, a missing one and a value out of its range are errors that name the
file, the setting, what was found and what was expected (`python -m upkeep check`). Editors that know the YAML language
server complete and check the files by their first line, from [config/schema](../config/schema). *Shipped* is the value
in this repository (of settings by name, and of lists, each that occurs); where there is none, what holds when the
setting is left out.
"""


def schema(name: str) -> str:
    """The JSON Schema of a file, as it is published."""
    found = FILES[name].model_json_schema() | {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(found, indent=1) + "\n"


def reference() -> str:
    """The whole page."""
    return HEAD + "".join(_of_file(name) for name in FILES)


def _of_file(name: str) -> str:
    whole = json.loads(schema(name))
    shipped = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8"))
    return f"\n## config/{name}.yaml\n" + "".join(Sections(whole["$defs"]).of("", whole, [shipped]))


class Sections:
    """The sections of one file: a table for each object."""

    def __init__(self, definitions: Schema) -> None:
        self.definitions = definitions

    def of(self, path: str, one: Schema, shipped: list[Any]) -> Iterator[str]:
        """A section of its own settings, then those of the objects in it; ``shipped`` are all that stand there."""
        yield f"\n### `{path}`\n" if path else ""
        about = _prose(one.get("description", "")) if path else ""
        yield f"\n{about}\n" if about else ""
        yield "\n| setting | is | shipped or default |\n|---|---|---|\n"
        below = []
        for name, field in one["properties"].items():
            inside = f"{path}.{name}" if path else name
            values = [found[name] for found in shipped if isinstance(found, dict) and name in found]
            needed = ", needed" if name in one.get("required", ()) else ""
            yield f"| `{inside}` | {self.words(field)}{needed} | {_value(values, field)} |\n"
            below += [(f"{inside}{end}", key, _within(values, end)) for end, key in self.objects(field)]
        for inside, key, values in below:
            yield from self.of(inside, self.definitions[key], values)

    def objects(self, field: Schema) -> Iterator[tuple[str, str]]:
        """The objects that a value may hold: where in it, and the name of their definition."""
        if "$ref" in field:
            key = field["$ref"].rpartition("/")[2]
            if "properties" in self.definitions[key]:
                yield "", key
        for one in field.get("anyOf", ()):
            yield from self.objects(one)
        for end, inner in (("[]", field.get("items")), (".<name>", _mapped(field))):
            for deeper, key in self.objects(inner) if isinstance(inner, dict) else ():
                yield f"{end}{deeper}", key

    def words(self, field: Schema) -> str:
        """What a value may be, in words."""
        if "$ref" in field:
            key = field["$ref"].rpartition("/")[2]
            found = self.definitions[key]
            return "the settings below" if "properties" in found else self.words(found)
        if "anyOf" in field:
            return " or ".join(dict.fromkeys(self.words(one) for one in field["anyOf"] if one.get("type") != "null"))
        if "enum" in field or "const" in field:
            return "one of " + ", ".join(f"`{one}`" for one in field.get("enum", [field.get("const")]))
        if field.get("type") == "array":
            inner = field.get("items") or {"anyOf": field.get("prefixItems", [{}])}
            return f"a list: each {self.words(inner)}"
        if field.get("type") == "object":
            return f"by name: {self.words(_mapped(field) or {})}"
        kind = {"integer": "a whole number", "number": "a number", "boolean": "`true` or `false`", "string": "text"}
        form = {"date": "a date", "date-time": "a time with its zone", "path": "a path"}.get(field.get("format", ""))
        return (form or kind.get(field.get("type", ""), "a value")) + _bounds(field)


def _mapped(field: Schema) -> Any:
    """What each value of a mapping is."""
    found = field.get("additionalProperties")
    return found if isinstance(found, dict) else next(iter(field.get("patternProperties", {}).values()), None)


def _within(values: list[Any], end: str) -> list[Any]:
    """What stands where a path's end leads to: each entry of lists and mappings."""
    for step in end.replace("[]", "|[]").replace(".<name>", "|{}").split("|")[1:]:
        kind = list if step == "[]" else dict
        inner = [value for value in values if isinstance(value, kind)]
        values = [entry for value in inner for entry in (value if kind is list else value.values())]
    return values


def _bounds(field: Schema) -> str:
    names = {
        "minimum": "at least {}", "exclusiveMinimum": "more than {}", "maximum": "at most {}",
        "exclusiveMaximum": "less than {}", "pattern": "of the form `{}`", "maxLength": "of at most {} characters",
    }  # fmt: skip
    said = [text.format(str(field[name]).replace("|", "\\|")) for name, text in names.items() if name in field]
    return f" {', '.join(said)}" if said else ""


def _value(values: list[Any], field: Schema) -> str:
    """What is shipped: of settings by name, or in a list, each that differs; otherwise the default."""
    found = values or ([field["default"]] if "default" in field else [])
    if any(isinstance(one, dict) and one for one in found):
        return ""
    texts = list(dict.fromkeys("none" if one in (None, {}, []) else f"`{_text(one)}`" for one in found))
    said = ", ".join(texts)
    return said if len(said) <= MOST else "see the file"


def _text(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False).replace("|", "\\|")


def _prose(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


if __name__ == "__main__":
    (ROOT / "docs" / "configuration.md").write_text(reference(), encoding="utf-8")
    folder = ROOT / "config" / "schema"
    folder.mkdir(exist_ok=True)
    for each in FILES:
        Path(folder / f"{each}.json").write_text(schema(each), encoding="utf-8")
