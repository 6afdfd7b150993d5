"""The monthly review of the procedure itself: the guide, its runbooks, and which of its items had no result (G138)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from upkeep.core import windows
from upkeep.flow.connections import postgres
from upkeep.flow.step import Step
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from upkeep.ledger.write import Looked


#: Seconds in which links to the web are tried.
LINK_SECONDS = 120.0


class DocumentsOperator(Step):
    """Read the documents that config names and ask the ledger what of the guide had a result."""

    ui_color = "#e8e0d0"

    @property
    def source(self) -> str:
        return "the documents in config, and include/sql/ledger/guide_results.sql"

    def describe(self, window: windows.Window) -> str:
        named = ", ".join(document.path for document in settings().maintenance.documents.reviewed)
        return f"{named or 'no document: none is named'}; and which items of the guide had no result"

    def execute(self, context: Context) -> dict[str, Any]:
        return self.carry_out(context, self._look)

    def _look(self, window: windows.Window) -> Looked:
        from upkeep.areas.documents import look as judging
        from upkeep.areas.documents.reading import look_at_all
        from upkeep.areas.documents.results import guide_results
        from upkeep.ledger import write
        from upkeep.wires import database

        config = settings().maintenance
        with database.session(postgres(config.ledger.tasks), config.sql, read_only=True) as session:
            rows = guide_results(session, window.target, window.period)
        readings = look_at_all(config.documents, config.http, LINK_SECONDS)
        read = judging.judge(readings, config.documents.review_days, datetime.now(UTC).date())
        items = judging.guide_items(rows, window.period)
        return write.Looked(read.findings + items.findings, read.samples + items.samples)
