"""The looks at indexes and tables, as the reader carries them out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.stages.platform import Platform
from tests.stages.platform import bare as bare  # noqa: PLC0414  # a fixture of the next one
from tests.stages.platform import platform as platform  # noqa: PLC0414  # the fixture
from tests.stages.sessions import to
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import find
from upkeep.core.findings import Finding
from upkeep.ledger.write import LookResult
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings
from upkeep.wires import database
from upkeep.wires.database import Connect

CONFIG = settings(ROOT / "config")
SMALL: dict[str, Any] = {"statistics_days": 0.0, "min_bytes": 0}


def limited(section: str = "indexes", **fields: Any) -> Settings:
    """Config with other limits of a section; indexes of any size and statistics of any age by default."""
    main = CONFIG.maintenance
    given = (SMALL if section == "indexes" else {}) | fields
    update = {"indexes": main.indexes.model_copy(update=SMALL)}
    update[section] = getattr(main, section).model_copy(update=given)
    return CONFIG.model_copy(update={"maintenance": main.model_copy(update=update)})


def slow_from(config: Settings, milliseconds: float) -> Settings:
    """Config by which a statement is slow from such a mean on."""
    statements = config.thresholds.statements.model_copy(update={"slow_ms": milliseconds})
    return config.model_copy(update={"thresholds": config.thresholds.model_copy(update={"statements": statements})})


def look(
    platform: Platform,
    name: str,
    config: Settings | None = None,
    replicas: Mapping[str, Connect] | None = None,
    now: datetime | None = None,
) -> dict[str, Finding]:
    """The findings of one check as the reader carries it out, by key."""
    looked = carried_out(platform, name, config or limited(), now or datetime.now(UTC), replicas or {})
    return {finding.key: finding for finding in looked.findings}


def carried_out(
    platform: Platform,
    name: str,
    config: Settings,
    now: datetime,
    replicas: Mapping[str, Connect] | None = None,
    previous: tuple[datetime, Any] | None = None,
) -> LookResult:
    """All that one look brings, after the one that left a snapshot."""
    with database.session(to(platform.reader), config.maintenance.sql, read_only=True) as session:
        one = Look(session, config, now, replicas=replicas or {}, previous=previous)
        return carry_out(find(name), one)
