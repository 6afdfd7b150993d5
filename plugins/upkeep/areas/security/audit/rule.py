"""What a rule of the audit is."""

from __future__ import annotations

from dataclasses import dataclass

from upkeep.core.findings import Level, Topic


@dataclass(frozen=True)
class Rule:
    """One rule: its statement is ``include/sql/security/audit/<name>.sql``.

    The rows have ``name``, ``detail`` and maybe ``level``.

    ``level`` counts where a row gives none; ``subject`` comes before a row's name; ``looked`` says what was looked at
    when there is none, ``{schemas}`` and ``{roles}`` being those of config.
    """

    name: str
    title: str
    level: Level
    subject: str
    expected: str
    remedy: str
    looked: str
    guide: str = "G78"

    @property
    def topic(self) -> Topic:
        """What its findings are about."""
        return Topic(f"audit:{self.name}", self.title, self.guide)

    @property
    def source(self) -> str:
        """Where its SQL stands."""
        return f"include/sql/security/audit/{self.name}.sql"
