"""A target with a log, a policy of its own and a place for archives: what the tests of archiving begin with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.stages.config import config as config  # noqa: PLC0414  # the fixture
from tests.stages.config import write, written
from tests.stages.stage import Stage
from upkeep.areas.kinds import kinds
from upkeep.areas.retention.local_store import LocalStore
from upkeep.gate.apply.outcomes import ActionOutcome
from upkeep.gate.plan_store import StoredPlan
from upkeep.gate.plans.model import numbered
from upkeep.gate.proposing import ProposalSources
from upkeep.settings.load import Settings, settings
from upkeep.settings.read import read
from upkeep.settings.retention import Retention

LOG = """
CREATE TABLE log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz,
    kind text NOT NULL DEFAULT 'usual',
    body text
)
"""


class Keeping:
    """A stage with one log, kept 90 days, and those of its rows that are ``special`` 365."""

    def __init__(self, stage: Stage, folder: Path, places: Path) -> None:
        self.stage, self.folder, self.places = stage, folder, places
        places.mkdir()
        stage.do(LOG, "CREATE INDEX ON log (at)")
        one = {"type": "error", "table": "public.log", "time": "at", "days": 90, "location": "here"}
        special = one | {"type": "security", "days": 365, "where": {"kind": ["special"]}}
        self.write(
            locations={"here": {"title": "here", "path": str(places)}},
            classes={"usual": one, "special": special},
            unmapped=dict.fromkeys(("application", "audit", "performance"), "none here"),
            holds=[],
        )

    def write(self, **sections: Any) -> None:
        """Change sections of retention.yaml."""
        file = self.folder / "retention.yaml"
        content = written(file) | sections
        write(file, content)
        settings.cache_clear()

    @property
    def config(self) -> Settings:
        """What config says now, of this stage's target."""
        shipped = settings(self.folder)
        return shipped.model_copy(
            update={
                "maintenance": self.stage.config.model_copy(update={"approval": shipped.maintenance.approval}),
                "retention": read(self.folder / "retention.yaml", Retention),
            }
        )

    def fill(self, rows: int, age_days: float = 120, kind: str = "usual") -> None:
        """Rows of an age, each with a body of its own."""
        self.stage.look(
            "INSERT INTO log (at, kind, body) SELECT now() - %s * interval '1 day', %s, 'body ' || n"
            " FROM generate_series(1, %s) n RETURNING 1",
            *(age_days, kind, rows),
        )

    def store(self, name: str = "usual") -> LocalStore:
        """Where a class's archives lie."""
        return LocalStore(self.places / self.stage.name / name)

    def proposed(self, *names: str) -> StoredPlan:
        """A plan of what kinds propose, approved by DBA and DevOps."""
        sources = ProposalSources(
            self.stage.name, "weekly", self.stage.session, self.stage.ledger.session, self.config, datetime.now(UTC)
        )
        found = [one for name in names for one in kinds()[name].propose(sources)[0]]
        both = [replace(one, action=replace(one.action, roles=("dba", "devops"))) for one in found]
        actions, measured = numbered(both)
        return self.stage.decide(self.stage.plan(actions=actions, measured=measured))

    def apply(self, kind: str) -> dict[str, ActionOutcome]:
        """Plan, approve and apply what a kind proposes; statement → outcome."""
        stored = self.proposed(kind)
        outcomes = self.stage.applying(stored).run() if stored.plan.actions else []
        return {one.action.statement: one for one in outcomes}

    def count(self, where: str = "true") -> int:
        """Rows of the log."""
        return int(self.stage.look(f"SELECT count(*) AS n FROM log WHERE {where}")[0]["n"])


@pytest.fixture
def keeping(stage: Stage, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeping]:
    """A target with a log, its policy in force for this process and those that it starts."""
    monkeypatch.setenv("UPKEEP_CONFIG", str(config))
    settings.cache_clear()
    yield Keeping(stage, config, tmp_path / "places")
    settings.cache_clear()
