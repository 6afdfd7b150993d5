"""The section ``compliance`` of ``config/maintenance.yaml``: where consents lie, and what is expected of them (G83)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from upkeep.settings.base import FrozenModel
from upkeep.settings.logs import Readable
from upkeep.settings.values import Identifier

Word = Annotated[str, Field(min_length=1, max_length=100)]


class ConsentTable(Readable):
    """The table with one row per user and type of consent, and its columns; ``granted`` is a boolean."""

    user: Identifier
    type: Identifier
    granted: Identifier
    granted_at: Identifier
    withdrawn_at: Identifier
    policy: Identifier


class ProcessingLog(Readable):
    """The table with one row per processing of a user's data, and its columns."""

    time: Identifier
    user: Identifier
    legal_basis: Identifier


class Compliance(FrozenModel):
    """``consent_type`` is what processing on the basis ``consent_basis`` needs, None: any type.

    ``policy_version`` is the one in force, None: the one that was agreed to first of all most lately.
    """

    consents: ConsentTable
    processing: ProcessingLog
    consent_basis: Word
    consent_type: Word | None
    policy_version: Word | None
    outdated_percent: float = Field(ge=0, le=100, strict=True)
    disagreement_percent: float = Field(ge=0, le=100, strict=True)
