"""One YAML file into one model; every problem as a sentence that names file and setting."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from upkeep.settings.base import ConfigError
from upkeep.settings.values import WrittenAs

M = TypeVar("M", bound=BaseModel)

#: How pydantic's messages begin: "Input should be a valid integer", "String should match pattern …".
_SHOULD = re.compile(r"^\w+ should ")


#: libyaml's parser, a fifth of the time in every task; PyYAML's own where the wheel lacks it.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _UniqueKeys(_SafeLoader):  # type: ignore[misc]
    """PyYAML silently keeps the last of two equal keys; a threshold given twice must be an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if not key.tag.endswith(":merge")]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the setting {key!r} stands twice", node.start_mark
                )
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def read(file: Path, model: type[M]) -> M:
    """The validated content of a file as it is now. Raises ConfigError with every problem, one a line."""
    shown = f"{file.parent.name}/{file.name}"
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{shown}: found no such file in {file.parent}, expected one (or set UPKEEP_CONFIG)"
        ) from None
    except OSError as error:
        raise ConfigError(f"{shown}: found a file that cannot be read ({error.strerror}), expected YAML") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown}: found text that is not the expected YAML: {error}") from None
    return _validated(shown, text, model)  # type: ignore[return-value]  # lru_cache forgets the type variable


@lru_cache(maxsize=32)
def _validated(shown: str, text: str, model: type[BaseModel]) -> BaseModel:
    """The same text is validated once, for all that a process forks too: half of the time that a task loads in."""
    try:
        content = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506  # a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError(f"{shown}: found text that is not the expected YAML: {error}") from None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = [_explain(shown, problem, model) for problem in error.errors()]
        raise ConfigError("\n".join(problems)) from None


def _explain(file: str, problem: Any, model: type[BaseModel]) -> str:
    setting = ".".join(str(part) for part in problem["loc"]) or "(the whole file)"
    match problem["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(str(problem["loc"][-1]), _all_settings(model), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            return f"{file}: {setting}: found a setting that does not exist, expected only known ones{hint}"
        case "missing":
            return f"{file}: {setting}: found nothing, expected this setting to be given"
        case "tuple_type":
            return f"{file}: {setting}: found {problem['input']!r}: expected a list"
        case _:
            message = _SHOULD.sub("expected to ", problem["msg"]).replace("expected to be ", "expected ")
            message = message.removeprefix("Value error, ")
            found = "" if message.startswith("found") else f"found {problem['input']!r}: "
            return f"{file}: {setting}: {found}{message}"


def _all_settings(model: type[BaseModel]) -> set[str]:
    names = set(model.model_fields)
    for field in model.model_fields.values():
        for inner in (field.annotation, *getattr(field.annotation, "__args__", ())):
            written = [one.fields for one in getattr(inner, "__metadata__", ()) if isinstance(one, WrittenAs)]
            for part in (inner, *written):
                if isinstance(part, type) and issubclass(part, BaseModel):
                    names |= _all_settings(part)
    return names
