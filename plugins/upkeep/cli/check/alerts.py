"""Which channels people are told through; one that is not set up is said, and is no failure."""

from __future__ import annotations

from upkeep.flow.channels import not_set_up
from upkeep.settings.load import Settings


def sentence(config: Settings) -> str:
    """The channels of config/routing.yaml in a line."""
    found = {name: not_set_up(name, channel) for name, channel in config.routing.channels.items()}
    told = ", ".join(name for name, why in found.items() if not why) or "nobody"
    missing = "; ".join(f"{name}: {why}" for name, why in found.items() if why)
    return f"Alerts (G114-G116) go to: {told}." + (f" Not set up: {missing}." if missing else "")
