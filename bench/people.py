"""Who looks at the pages of the bench, as config knows them."""

from __future__ import annotations

from pathlib import Path

import yaml

from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings

PEOPLE = tuple(f"p{number}" for number in range(10))


def config_of(targets: list[str], folder: Path) -> Settings:
    """The shipped configuration with these targets and people."""
    for file in (ROOT / "config").glob("*.yaml"):
        (folder / file.name).write_bytes(file.read_bytes())
    maintenance = folder / "maintenance.yaml"
    content = yaml.safe_load(maintenance.read_text(encoding="utf-8"))
    (first,) = content["targets"].values()
    content["targets"] = dict.fromkeys(targets, first)
    content["people"] = {name: {} for name in PEOPLE}
    for role in content["roles"].values():
        role["users"] = list(PEOPLE)
    maintenance.write_text(yaml.safe_dump(content), encoding="utf-8")
    return settings(folder)
