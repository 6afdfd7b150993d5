"""A message as Slack shows it: free text as plain text, so that nothing in it is markup; links of our own making."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upkeep.areas.alerts.render import words

#: What Slack takes at most: characters of a header and of a section.
_MOST_HEADER, _MOST_SECTION = 150, 3000


def slack(body: Mapping[str, Any]) -> dict[str, Any]:
    """The webhook's payload."""
    said = words.headline(body)
    blocks = [{"type": "header", "text": _plain(said, _MOST_HEADER)}]
    blocks += _single(body["notes"][0]) if body["total"] == 1 else _digest(body)
    return {"text": escaped(said), "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _single(note: words.Note) -> list[dict[str, Any]]:
    lines = words.lines(note)
    text = "\n".join(f"{line.label}: {line.text}" for line in lines if not line.url)
    blocks: list[dict[str, Any]] = [{"type": "section", "text": _plain(text, _MOST_SECTION)}]
    if links := " · ".join(_link(line.url, line.label) for line in lines if line.url):
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": links}})
    return blocks


def _digest(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for said, address in words.one_liners(body):
        blocks.append({"type": "section", "text": _plain(said, _MOST_SECTION)})
        if address:
            blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": _link(address, "Open")}})
    if more := words.more(body):
        blocks.append({"type": "section", "text": _plain(more, _MOST_SECTION)})
    return blocks


def _plain(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": text[:most], "emoji": False}


def _link(url: str, label: str) -> str:
    return f"<{escaped(url).replace('|', '%7C')}|{escaped(label)}>"


def escaped(text: str) -> str:
    """Text in which Slack finds no link, mention or command."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
