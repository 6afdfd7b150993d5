"""The section ``documents`` of ``config/maintenance.yaml``: where people look further, what is kept current."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from upkeep.settings.base import FrozenModel
from upkeep.settings.values import is_web, web_address


def _place(value: str) -> str:
    if is_web(value):
        return web_address(value)
    if not Path(value).is_absolute() or not value.isprintable():
        raise ValueError(f"found {value!r}, expected a URL or an absolute path")
    return value


class Document(FrozenModel):
    """A Markdown document: a URL or an absolute path.

    ``owner`` and ``reviewed``, the day somebody last read it through, are for one that does not say so itself.
    """

    path: Annotated[str, AfterValidator(_place)]
    owner: str | None = Field(default=None, min_length=1)
    reviewed: date | None = None


def _short(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


#: A path or URL alone, or with what the document does not say of itself.
DocumentText = Annotated[Document, BeforeValidator(_short, json_schema_input_type=str | Document)]


class Documents(FrozenModel):
    """Where people look further (G137), and the documents whose age and links are looked at (G28, G138).

    ``review_days`` is how long a review lasts where the document names no other rhythm; ``check_links`` whether links
    to the web are tried.
    """

    incident_response: str
    guide: DocumentText | None = None
    runbooks: tuple[DocumentText, ...] = Field(default=(), max_length=100)
    review_days: int = Field(ge=1, le=3650, strict=True)
    check_links: bool = Field(strict=True)

    @field_validator("runbooks")
    @classmethod
    def _each_once(cls, value: tuple[Document, ...], info: ValidationInfo) -> tuple[Document, ...]:
        guide = info.data.get("guide")
        paths = [document.path for document in (*((guide,) if guide else ()), *value)]
        if twice := sorted({path for path in paths if paths.count(path) > 1}):
            raise ValueError(f"found {twice[0]!r} twice, expected each document once")
        return value

    @property
    def reviewed(self) -> tuple[Document, ...]:
        """All documents to look at, the guide first."""
        return (*((self.guide,) if self.guide else ()), *self.runbooks)
