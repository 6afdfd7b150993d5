"""What one role is asked, and the fields of its form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from upkeep.gate.permits import FormLabels


@dataclass(frozen=True)
class Question:
    """What one role is asked; the same for every try, so that what Airflow keeps of the first one still fits.

    ``ids`` are what it may say yes to, ``until`` is when asking ends, an answer counts only before ``not_after``,
    ``rows`` are those of the checklist in ``body``; ``words`` is what the form shows in place of an id or a row.
    """

    digest: str
    ids: tuple[str, ...]
    subject: str
    body: str
    until: datetime
    not_after: datetime
    labels: FormLabels
    rows: tuple[str, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def params(self) -> dict[str, Any]:
        """The form's fields: what is said yes to, all of it by default; rows of a checklist; a comment."""
        fields: dict[str, Param] = {}
        if listed := self.labels.listed:
            ids = list(self.ids)
            fields[listed] = Param(
                ids, type="array", title=listed.capitalize(), description=self.labels.hint, examples=ids,
                values_display=self._words(ids),
            )  # fmt: skip
        if self.rows:
            fields["reviewed"] = Param(  # a type without null would make it a required field
                None, type=["null", "array"], title="Reviewed", description="Rows you went through.",
                examples=list(self.rows), values_display=self._words(self.rows),
            )  # fmt: skip
        fields["comment"] = Param(None, type=["null", "string"], title="Comment", description="Kept with the answer.")
        return {name: field.serialize() for name, field in fields.items()}

    def _words(self, ids: Iterable[str]) -> dict[str, str]:
        """Airflow's form shows these; what it sends are the ids."""
        return {key: f"{key} · {self.words[key]}" for key in ids if key in self.words}
