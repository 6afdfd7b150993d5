"""The guide and its runbooks: what they say of themselves, where their links lead, and what is refused."""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from upkeep.areas.documents import look as judging
from upkeep.areas.documents.markdown import DocumentMetadata, declared, links
from upkeep.areas.documents.reading import look_at_all
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult
from upkeep.settings.base import ROOT
from upkeep.settings.documents import Document
from upkeep.settings.load import settings
from upkeep.wires.net.files import DocumentRefused, read_file, text_of

CONFIG = settings(ROOT / "config").maintenance
TODAY = date(2026, 11, 25)
FOOTER = "\n---\n\n**Last Updated**: 2026-11-02  \n**Next Review**: Monthly  \n**Owner**: DevOps Team"
GUIDE = f"# Guide\n\nRead it.\n{FOOTER}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the document lies: in a folder with another one beside it."""
    folder = tmp_path / "docs"
    (folder / "runbooks").mkdir(parents=True)
    (folder / "runbooks" / "other.md").write_text("# Other one\n\nA title\n-------\n<a name='mark'></a>\n# Other one\n")
    return folder / "guide.md"


def look(file: Path, content: str | bytes | None = None, today: date = TODAY, **fields: Any) -> LookResult:
    """Write the document if there is something to write, and judge it as it is."""
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    config = CONFIG.documents.model_copy(update={"guide": Document(path=str(file), **fields)})
    return judging.judge(look_at_all(config, CONFIG.http, 5.0), config.review_days, today)


def levels(looked: LookResult, file: Path) -> dict[str, Level]:
    """Part of the key → level; "" for the document itself."""
    return {found.key.removeprefix(f"document:{file}").lstrip(":"): found.level for found in looked.findings}


def said(looked: LookResult, file: Path, part: str = "") -> Finding:
    """The one finding of a part."""
    (found,) = [one for one in looked.findings if one.key == f"document:{file}{part and ':' + part}"]
    assert found.detail.isprintable()
    return found


# Age ------------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G138", "fires", "silent")
@pytest.mark.parametrize(
    ("updated", "upcoming", "level", "words"),
    [
        ("2026-11-25", "Monthly", Level.OK, "0 days ago; next review: 'Monthly', due 2026-12-26"),
        ("2026-10-25", "Monthly", Level.OK, "31 days ago; next review: 'Monthly', due 2026-11-25"),
        ("2026-10-24", "Monthly", Level.WARNING, "due 2026-11-24, 1 days overdue"),
        ("2025-09-14", "Monthly", Level.WARNING, "437 days ago; next review: 'Monthly', due 2025-10-15, 406 days over"),
        ("2026-09-01", "Quarterly", Level.OK, "due 2026-12-02"),
        ("2026-08-01", "Quarterly", Level.WARNING, "due 2026-11-01"),
        ("2026-01-01", "2026-12-24", Level.OK, "due 2026-12-24"),
        ("2026-01-01", "2026-11-24", Level.WARNING, "due 2026-11-24"),
        ("2026-11-02", "2026-11-01", Level.OK, "due 2026-12-03"),
        ("2026-11-02", "when there is time", Level.ADVISORY, "these words name no rhythm"),
        ("2026-11-26", "Monthly", Level.WARNING, "that day is still to come"),
        ("14 September 2026", "Monthly", Level.WARNING, "last updated 2026-09-14"),
        ("November 2, 2026", "Monthly", Level.OK, "last updated 2026-11-02"),
        ("9999-12-31", "Monthly", Level.WARNING, "that day is still to come"),
    ],
)
def test_a_review_is_overdue_by_what_the_document_says(
    file: Path, updated: str, upcoming: str, level: Level, words: str
) -> None:
    """Its own date and rhythm, whatever the file's time is; the age is kept as a sample."""
    found = look(file, f"# Guide\n\n**Last Updated**: {updated}\n**Next Review**: {upcoming}\n**Owner**: us\n")
    assert said(found, file).level is level
    assert words in said(found, file).detail
    assert [sample.metric for sample in found.samples] == ["document_age"]
    assert len(said(found, file).metadata["digest"]) == 64


@pytest.mark.guide("G138", "fires", "silent")
def test_a_document_without_a_date_is_a_finding_unless_config_knows_better(file: Path) -> None:
    """A date that is none counts as none; ``reviewed`` and ``owner`` in config stand in, and the later day counts."""
    for text in ("# Guide\n", "**Last Updated**: yesterday", "**Last Updated**: 2026-02-30", f"```\n{FOOTER}\n```"):
        found = look(file, text)
        assert levels(found, file) == {"": Level.WARNING, "owner": Level.ADVISORY, "links": Level.OK}
        assert said(found, file).detail == "it does not say when it was last updated"
        assert found.samples == ()
    known = look(file, "# Guide\n", reviewed=date(2026, 11, 1), owner="DevOps Team")
    assert levels(known, file) == {"": Level.OK, "links": Level.OK}
    assert "last updated 2026-11-01, 24 days ago; next review: not told" in said(known, file).detail
    older = look(file, GUIDE, reviewed=date(2026, 5, 1))
    assert "last updated 2026-11-02" in said(older, file).detail


def test_what_the_guides_own_end_says_is_understood() -> None:
    """Bold labels, two spaces at the end; plain ones, a list, front matter; the last of several counts."""
    assert declared(GUIDE) == DocumentMetadata(date(2026, 11, 2), "Monthly", None, "DevOps Team")
    plain = "---\nlast_updated: 2026-01-01\nowner: A\n---\n- Last updated: 2026-02-02\n- Next review: 2026-03-03\r\n"
    assert declared(plain) == DocumentMetadata(date(2026, 2, 2), "2026-03-03", date(2026, 3, 3), "A")
    assert declared("| Last Reviewed | 2026-04-04 |\n| Owner | B |") == DocumentMetadata(date(2026, 4, 4), owner="B")


@pytest.mark.guide("G138", "fires")
def test_without_a_document_it_is_not_collected_and_the_setting_is_named() -> None:
    """What is shipped: unknown, never ok."""
    assert CONFIG.documents.reviewed == ()
    (found,) = judging.judge(look_at_all(CONFIG.documents, CONFIG.http, 5.0), 31, TODAY).findings
    assert (found.level, found.guide) == (Level.UNKNOWN, "G138")
    assert "documents.guide" in found.detail


# Links ----------------------------------------------------------------------------------------------------------

ALIVE = [
    "[a](runbooks/other.md)",
    "[a](./runbooks/../runbooks/other.md 'a title')",
    "[a](<runbooks/with space.md>)",
    "[a](runbooks/with%20space.md)",
    "[a](runbooks/other.md#other-one)",
    "[a](runbooks/other.md#other-one-1)",
    "[a](runbooks/other.md#a-title)",
    "[a](runbooks/other.md#mark)",
    "[a](runbooks/)",
    "[a](#the-guide-itself-v12)",
    "![picture](picture.png?raw=1)",
    "[a]: runbooks/other.md",
    "[a](mailto:ops@example.com) [b](tel:+1)",
    "[^1]: not-a-link.md",
    "`[a](gone.md)` and ``[b](gone.md)``",
    "```\n[a](gone.md)\n```",
    "~~~sh\n[a](gone.md)\n```\n~~~",
    "[a] (gone.md) and a [bracket]",
]
DEAD = [
    ("[a](gone.md)", "no such file"),
    ("see [a](runbooks/other.md) and [b](gone.md)", "no such file"),
    ("![a](gone.png)", "no such file"),
    ("[a]: gone.md", "no such file"),
    ("[a](runbooks/other.md#gone)", "no heading or id of that name"),
    ("[a](#gone)", "no heading or id of that name"),
    ("[a]()", "it names nothing"),
    ("[a](/etc/passwd)", "an absolute path, which is another place for everybody"),
    ("[a](../../../../../../../../etc/passwd)", "it leads out of"),
    ("[a](out.md)", "it leads out of"),
    ("[a](circle.md)", "no path that can be followed"),
    (f"[a]({'x' * 5000}.md)", "no path that can be followed"),
    ("[a](nul%00.md)", "no path that can be followed"),
    ("```\ncode\n```\n[a](gone.md)", "no such file"),
]


def linked(file: Path, text: str) -> LookResult:
    """A document that is well but for this text; beside it what the links may lead to."""
    (file.parent / "runbooks" / "with space.md").write_text("")
    (file.parent / "picture.png").write_bytes(b"\x89PNG\0")
    for name, target in (("out.md", file.parents[1] / "secret.md"), ("circle.md", file.parent / "circle.md")):
        if not (file.parent / name).is_symlink():
            (file.parent / name).symlink_to(target)
    (file.parents[1] / "secret.md").write_text("# Secret\n")
    return look(file, f"## The `guide` itself, v1.2 ##\n\n{text}\n\n{FOOTER}")


@pytest.mark.guide("G28", "silent")
@pytest.mark.parametrize("text", ALIVE)
def test_a_link_that_leads_somewhere_is_silent(file: Path, text: str) -> None:
    """Files, folders, headings as GitHub names them; programs and code are no links."""
    assert levels(linked(file, text), file) == {"": Level.OK, "links": Level.OK}


@pytest.mark.guide("G28", "fires")
@pytest.mark.parametrize(("text", "why"), DEAD)
def test_a_link_that_leads_nowhere_is_found_with_its_line(file: Path, text: str, why: str) -> None:
    """Advice, with the line and the reason; what lies outside the documents' folder is not looked at."""
    found = linked(file, text)
    dead = [one for one in found.findings if one.guide == "G28" and one.level is not Level.OK]
    assert [one.level for one in dead] == [Level.ADVISORY]
    line = 3 + text.count("\n")
    assert dead[0].detail.startswith(f"line {line}: ")
    assert why in dead[0].detail
    assert len(dead[0].detail) < 500
    assert "1 to be fixed" in said(found, file, "links").detail


def test_the_same_dead_link_is_one_finding_and_many_are_cut(file: Path) -> None:
    """Fifty are shown, the rest are counted; none is forgotten in the sum."""
    twice = linked(file, "[a](gone.md)\n[b](gone.md)")
    assert said(twice, file, "link:'gone.md'").detail == "line 3 and 1 more: 'gone.md': no such file"
    many = linked(file, "\n".join(f"[a](gone-{number}.md)" for number in range(60)))
    assert len(many.findings) == 1 + 50 + 2
    assert said(many, file, "links:more").detail == "10 more; the first 50 are shown"
    assert said(many, file, "links").detail == "60 links, 60 to be fixed"


def test_links_to_the_web_are_only_counted_unless_config_asks(file: Path) -> None:
    """Nothing is sent; what they hold beyond the address is in no finding."""
    found = linked(
        file, "[a](https://user:Qx7v@a.test/x?token=Qx7v) <https://b.test/> [c](//c.test) [d](HTTP://d.test)"
    )
    assert said(found, file, "links").detail == (
        "4 links, 0 to be fixed; 4 of them to the web, not tried (config: documents.check_links)"
    )
    assert "Qx7v" not in repr(found)


def test_a_linked_document_that_cannot_be_read_is_said(file: Path) -> None:
    """Its heading was not looked for."""
    (file.parent / "runbooks" / "other.md").write_bytes(b"# A\0")
    found = linked(file, "[a](runbooks/other.md#a) [b](runbooks/other.md)")
    (dead,) = [one for one in found.findings if one.level is Level.ADVISORY]
    assert "its heading was not looked for: found a NUL character" in dead.detail


# Hostile documents ----------------------------------------------------------------------------------------------


def large(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate(50_000_000)


HOSTILE = {
    "absent": (lambda file: None, "found no such file"),
    "large": (large, "found more than 2000000 bytes, expected at most that many"),
    "binary": (lambda file: file.write_bytes(bytes(range(256)) * 9), "found bytes that are no UTF-8, expected a text"),
    "NUL": (lambda file: file.write_text("# A\0"), "found a NUL character, expected a text"),
    "link": (lambda file: file.symlink_to("/etc/passwd"), "(links are not followed)"),
    "folder": (lambda file: file.mkdir(), "found "),
    "empty": (lambda file: file.write_text(" \n"), "found an empty text"),
    "HTML": (lambda file: file.write_text("\n<!DOCTYPE HTML><p>Please log in"), "found a page of HTML"),
    "pipe": (os.mkfifo, "found no regular file"),
    "links": (
        lambda file: file.write_text("[a](b.md) " * 10_000),
        "found more than 2000 links, expected at most that many",
    ),
}


@pytest.mark.guide("G138", "fires")
@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_document_is_refused_with_the_reason(file: Path, case: str) -> None:
    """Unknown, never ok; nothing of it is shown."""
    make, words = HOSTILE[case]
    make(file)
    found = look(file)
    assert levels(found, file) == {"": Level.UNKNOWN}
    assert said(found, file).detail.startswith("not collected: found ")
    assert words in said(found, file).detail
    assert "root:" not in repr(found)
    with pytest.raises(DocumentRefused):
        links(text_of(read_file(file)))


@pytest.mark.parametrize(
    "line",
    [
        "](" * 100_000,
        "](a(" * 50_000,
        "[" * 200_000,
        "`" * 199_999,
        "<a " * 60_000,
        "# " + " " * 200_000 + "x",
        "=" * 200_000 + "x",
        "**Owner**" + ":" * 200_000,
        "<http://" * 30_000,
        "](<" * 60_000,
        "[x](" * 50_000,
    ],
    ids=range(11),
)
def test_a_line_made_to_be_slow_is_not(file: Path, line: str) -> None:
    """Each expression reads it once; it is judged or refused like any other."""
    assert look(file, f"{GUIDE}\n\n{line}\n").findings


def test_hostile_words_are_shown_harmless(file: Path) -> None:
    """Control characters and keys neither from a label nor from a link; both are cut."""
    text = (
        f"**Last Updated**: 2026-11-02\n**Next Review**: \x1b[31m{'x' * 999} sb_secret_abc\n[a](\x1b[2Jgone\u202e.md)\n"
    )
    found = look(file, text)
    for one in found.findings:
        assert one.detail.isprintable() and len(one.detail) < 400
        assert "sb_secret" not in one.detail


# Items of the guide ---------------------------------------------------------------------------------------------

PERIOD = (datetime(2026, 11, 1, 2), datetime(2026, 12, 6, 2))


def row(guide: str, days_ago: int) -> dict[str, Any]:
    """An item whose last result is so many days before the period's end."""
    last = PERIOD[1] - timedelta(days=days_ago)
    return {"guide": guide, "last": last, "inside": last >= PERIOD[0]}


def test_an_item_without_a_result_this_month_is_found() -> None:
    """One finding for each, with its last result; all that were seen are only counted."""
    found = judging.guide_items([row("G2", 1), row("G53", 60), row("G99", 35)], PERIOD)
    assert [(one.key, one.level) for one in found.findings] == [
        ("guide_item:G53", Level.ADVISORY),
        ("guide_items", Level.OK),
    ]
    assert "no result from 2026-11-01 02:00 to 2026-12-06 02:00 UTC" in found.findings[0].detail
    assert "due 2026-10-07 02:00 UTC" in found.findings[0].detail
    assert [sample.value for sample in found.samples] == [2, 1]
    assert [one.key for one in judging.guide_items([row("G2", 1)], PERIOD).findings] == ["guide_items"]


@pytest.mark.parametrize("rows", [[], [row("G2", 99)]])
def test_no_result_at_all_is_unknown(rows: list[dict[str, Any]]) -> None:
    """A month of which the ledger knows nothing is not a good one."""
    unseen = judging.guide_items(rows, PERIOD).findings[-1]
    assert (
        unseen.level is Level.UNKNOWN
        and "0 had a result from 2026-11-01 02:00 to 2026-12-06 02:00 UTC" in unseen.detail
    )
