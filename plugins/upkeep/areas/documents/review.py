"""When a document was last reviewed, and by when it is to be again. Pure; the day is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from upkeep.areas.documents.markdown import DocumentMetadata

#: Words of "Next Review" → days that a review lasts.
RHYTHMS = {
    "daily": 1,
    "weekly": 7,
    "fortnightly": 14,
    "monthly": 31,
    "quarterly": 92,
    "half-yearly": 184,
    "semi-annually": 184,
    "yearly": 366,
    "annually": 366,
}


@dataclass(frozen=True)
class Review:
    """``last`` and ``due`` are None where no date is known; ``understood`` is False for words that name no rhythm."""

    last: date | None
    due: date | None
    understood: bool = True


def review(said: DocumentMetadata, reviewed: date | None, review_days: int) -> Review:
    """What the document says, or config where that is later; a day that is named beats a rhythm until it was kept."""
    days = [day for day in (said.updated, reviewed) if day is not None]
    rhythm = RHYTHMS.get(said.next_review.strip().rstrip(".").lower())
    understood = not said.next_review or said.next_date is not None or rhythm is not None
    if not days:
        return Review(None, None, understood)
    last = max(days)
    if said.next_date is not None and said.next_date > last:
        return Review(last, said.next_date)
    try:
        return Review(last, last + timedelta(days=rhythm or review_days), understood)
    except OverflowError:
        return Review(last, date.max, understood)
