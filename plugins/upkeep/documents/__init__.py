"""The maintenance guide and its runbooks: how old they say they are, where their links lead (G28, G138).

What a document declares counts, not its file's time, which every checkout sets anew. Other people write these files:
they are read with distrust.
"""

from __future__ import annotations

from upkeep.documents.files import MOST_BYTES, Refused, read_file
from upkeep.documents.links import Dead, Links, local_links
from upkeep.documents.markdown import MOST_LINKS, Declared, Link, anchors, declared, links
from upkeep.documents.reading import Reading, look_at_all
from upkeep.documents.results import guide_results
from upkeep.documents.review import Review, review

__all__ = [
    "MOST_BYTES",
    "MOST_LINKS",
    "Dead",
    "Declared",
    "Link",
    "Links",
    "Reading",
    "Refused",
    "Review",
    "anchors",
    "declared",
    "guide_results",
    "links",
    "local_links",
    "look_at_all",
    "read_file",
    "review",
]
