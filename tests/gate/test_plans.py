"""Plans: their digest, their canonical text, and the form that no name from a database can rewrite."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import unicodedata
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from tests.stages.plans import action
from upkeep.core import text as core_text
from upkeep.core.text import prose, seconds, visible
from upkeep.gate.plans.form import body, label, subject
from upkeep.gate.plans.model import SCHEDULE, Action, Plan, canonical, digest, parse
from upkeep.gate.plans.statements import copyable

SUNDAY = datetime(2026, 7, 12, 3, tzinfo=UTC)
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)


def plan(*actions: Action, **fields: Any) -> Plan:
    """The plan of a scheduled weekly run."""
    about: dict[str, Any] = {
        "target": "primary",
        "cadence": "weekly",
        "dag_id": "maintenance_weekly",
        "run_id": "scheduled__2026-07-12T03:00:00+00:00",
        "due": SUNDAY,
        "requested_by": SCHEDULE,
        "database": "app",
        "not_before": SUNDAY,
        "not_after": SUNDAY + 2 * HOUR,
        "outside": False,
        "actions": actions,
        "instance": "7 of 2026-07-12T03:00:01.000000Z",
    }
    return Plan(**(about | fields))


TWO = plan(action("1"), action("2", table="Ünïcødé 🦆", oid=16_501, needs=("1",)), left_out=3)


# The digest ---------------------------------------------------------------------------------------------------


def content(of: Plan) -> dict[str, Any]:
    """What a canonical text holds, written down independently."""
    times = {name: f"{getattr(of, name):%Y-%m-%dT%H:%M:%S.%f}Z" for name in ("due", "not_before", "not_after")}
    actions = [{name: getattr(one, name) for name in Action.__dataclass_fields__} for one in of.actions]
    plain = {name: getattr(of, name) for name in Plan.__dataclass_fields__ if name != "failed" or of.failed}
    return plain | times | {"outside": "yes" if of.outside else "no", "actions": actions}


def jcs(value: Any) -> str:
    """RFC 8785 for our subset: keys in ASCII, values that are integers below 2**53 and strings."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


HARD_NAMES = [
    *map(chr, range(0x20)),
    '"\\/',
    "\x7f\u2028\u2029\ufeff",
    "🦆" * 15,
    "é" * 31,
    "e\u0301",
    "\U0010ffff",
    "",
    "a" * 63,
]


@pytest.mark.parametrize("name", HARD_NAMES, ids=ascii)
def test_the_digest_is_what_others_compute(name: str) -> None:
    """RFC 8785 and SHA-256 with nothing of ours, over every control character and names of all planes."""
    named = plan(action(table=name, statement=f'ANALYZE "{name}"'), database=name)
    text = canonical(named)
    assert text == jcs(content(named))
    assert digest(text) == hashlib.sha256(jcs(content(named)).encode()).hexdigest()
    assert parse(text) == named


def test_what_could_not_be_proposed_is_in_the_digest() -> None:
    """A plan without it keeps the text that it had before there was such a field."""
    failed = replace(TWO, failed=("indexes: a lock was not free", "reindex: permission denied"))
    assert parse(canonical(failed)) == failed
    assert canonical(failed) == jcs(content(failed))
    assert "failed" not in canonical(TWO)
    assert parse(canonical(TWO)).failed == ()
    assert digest(canonical(failed)) != digest(canonical(TWO))
    with pytest.raises(ValueError, match="canonical form"):
        parse(canonical(failed).replace("a lock was", "A lock was").replace('["', '[ "', 1))


def test_the_digest_is_the_same_whatever_order_keys_were_given_in() -> None:
    """Built backwards, and at the same moments written in another zone."""
    india = timezone(timedelta(hours=5, minutes=30))
    backwards = {field.name: getattr(TWO, field.name) for field in reversed(fields(Plan))}
    backwards["actions"] = tuple(
        Action(**{field.name: getattr(one, field.name) for field in reversed(fields(Action))}) for one in TWO.actions
    )
    for name in ("due", "not_before", "not_after"):
        backwards[name] = backwards[name].astimezone(india)
    assert canonical(Plan(**backwards)) == canonical(TWO)


def changed(value: Any) -> Any:
    """The least other value of a field."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value + " "
        case datetime():
            return value + TICK
        case tuple():
            return value[:-1] if len(value) > 1 else (*value, "x")
    raise AssertionError(value)


def test_every_single_field_is_in_the_digest() -> None:
    """Each field of the plan and of each action, changed as little as can be, gives another digest."""
    every = [TWO, replace(TWO, actions=TWO.actions[::-1])]
    every += [replace(TWO, **{field.name: changed(getattr(TWO, field.name))}) for field in fields(Plan)]
    for place, one in enumerate(TWO.actions):
        for field in fields(Action):
            least = {"id": "3", "version": 1}.get(field.name) or changed(getattr(one, field.name))
            other = replace(one, **{field.name: least})
            every.append(replace(TWO, actions=(*TWO.actions[:place], other, *TWO.actions[place + 1 :])))
    assert len({digest(canonical(each)) for each in every}) == 2 + len(fields(Plan)) + 2 * len(fields(Action))


def test_a_plan_that_an_older_upkeep_stored_is_read_with_its_digest() -> None:
    """Its actions say no version; a field that came later neither keeps it from being read nor changes its text."""
    text = (Path(__file__).parent / "stored/plan_without_versions.json").read_text(encoding="utf-8")
    stored = parse(text)
    assert [one.version for one in stored.actions] == [1, 1]
    assert replace(stored, actions=tuple(replace(one, version=2) for one in stored.actions)) == TWO
    assert digest(canonical(stored)) == "16580d6285c5cb05258545757281a01404a1b7361b1a5937aa59401034217d83"
    with pytest.raises(ValueError, match="found action '1' of version 3, expected one up to 2"):
        parse(text.replace('"verb"', '"version":3,"verb"', 1))


def test_inside_are_whole_numbers_and_text_only() -> None:
    """No float, no boolean, no null at any depth: nothing that two writers could write differently."""

    def walk(value: Any) -> set[type]:
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return {type(value)}.union(*map(walk, parts))

    assert walk(json.loads(canonical(TWO))) == {dict, list, str, int}


WRONG_ACTIONS: dict[str, dict[str, Any]] = {
    "a float": {"predicted_ms": 1500.0},
    "a boolean": {"oid": True},
    "a number for a name": {"table": 5},
    "nothing": {"shape": None},
    "a list": {"roles": ["dba"]},
    "roles that are no text": {"roles": (1,)},
    "nobody to approve it": {"roles": ()},
}


@pytest.mark.parametrize("wrong", WRONG_ACTIONS.values(), ids=WRONG_ACTIONS.keys())
def test_an_action_that_says_it_in_another_way_cannot_be(wrong: dict[str, Any]) -> None:
    """A value of another type, and an action that no role stands behind."""
    with pytest.raises(ValueError, match=r"found .*, expected"):
        action(**wrong)


WRONG_PLANS: dict[str, dict[str, Any]] = {
    "a time without a zone": {"not_after": datetime(2026, 7, 12, 5)},
    "a text for outside": {"outside": "no"},
    "an id twice": {"actions": (action(), action(table="other"))},
    "more than 200": {"actions": tuple(action(str(number)) for number in range(201))},
    "something else": {"actions": ("1",)},
}


@pytest.mark.parametrize("wrong", WRONG_PLANS.values(), ids=WRONG_PLANS.keys())
def test_a_plan_that_could_be_read_in_two_ways_cannot_be(wrong: dict[str, Any]) -> None:
    """One id for two actions, a time without a zone, a 201st action."""
    with pytest.raises(ValueError, match=r"found .*, expected"):
        plan(**wrong)


def test_a_number_that_json_cannot_hold_everywhere_has_no_digest() -> None:
    """RFC 8785 ends at 2**53 - 1."""
    assert canonical(plan(action(predicted_bytes=2**53 - 1)))
    with pytest.raises(ValueError, match="9007199254740992"):
        canonical(plan(action(predicted_bytes=2**53)))


CANONICAL = canonical(TWO)
NOT_CANONICAL = {
    "a space": CANONICAL.replace(",", ", ", 1),
    "a newline at the end": CANONICAL + "\n",
    "keys in another order": json.dumps(
        dict(reversed(json.loads(CANONICAL).items())), separators=(",", ":"), ensure_ascii=False
    ),
    "escaped letters": json.dumps(json.loads(CANONICAL), separators=(",", ":")),
    "a key twice": CANONICAL.replace('"cadence":"weekly"', '"cadence":"daily","cadence":"weekly"'),
    "an unknown key": CANONICAL[:-1] + ',"zeal":1}',
    "an unknown key of an action": CANONICAL.replace('"verb"', '"value":1,"verb"', 1),
    "a missing key": CANONICAL.replace('"cadence":"weekly",', ""),
    "a float": CANONICAL.replace("16500", "16500.0"),
    "an exponent": CANONICAL.replace('"left_out":3', '"left_out":3e0'),
    "a number as text": CANONICAL.replace("16500", '"16500"'),
    "text as a number": CANONICAL.replace('"5f1d"', "51"),
    "a role as a number": CANONICAL.replace('["dba","devops"]', "[1,2]"),
    "no role": CANONICAL.replace('["dba","devops"]', "[]"),
    "another word for outside": CANONICAL.replace('"outside":"no"', '"outside":"maybe"'),
    "a boolean for outside": CANONICAL.replace('"outside":"no"', '"outside":false'),
    "a time in another zone": CANONICAL.replace("03:00:00.000000Z", "03:00:00.000000+00:00"),
    "a time without microseconds": CANONICAL.replace("03:00:00.000000Z", "03:00:00Z"),
    "a shorter fraction": CANONICAL.replace("03:00:00.000000Z", "03:00:00.0Z"),
    "a time as a number": CANONICAL.replace('"2026-07-12T03:00:00.000000Z"', "1"),
    "an id twice": CANONICAL.replace('"id":"2"', '"id":"1"'),
    "no plan": "{}",
    "actions as a number": re.sub(r'"actions":\[.*?\],"cadence"', '"actions":5,"cadence"', CANONICAL),
    "an action as a number": re.sub(r'"actions":\[.*?\],"cadence"', '"actions":[5],"cadence"', CANONICAL),
    "a list": "[]",
    "a text": '"plan"',
    "null": "null",
    "nothing": "",
    "no JSON": "{",
}


@pytest.mark.parametrize("text", NOT_CANONICAL.values(), ids=NOT_CANONICAL.keys())
def test_a_text_that_is_not_what_was_planned_is_refused(text: str) -> None:
    """Every other way to write the same plan, and everything that is none: always a ValueError."""
    assert text != CANONICAL
    with pytest.raises(ValueError):  # noqa: PT011 - json's own messages are as good as ours
        parse(text)


def test_the_canonical_text_round_trips() -> None:
    """Parsed and written again it is the same text."""
    assert parse(CANONICAL) == TWO
    assert canonical(parse(CANONICAL)) == CANONICAL


def test_roles_and_what_each_is_asked() -> None:
    """Sorted roles, ids in the plan's order, the shortest prediction."""
    mixed = plan(action("b", roles=("lead",), predicted_ms=70), action("a"), action("c", roles=("dba", "lead")))
    assert mixed.roles == ("dba", "devops", "lead")
    assert (mixed.ids_for("lead"), mixed.ids_for("devops"), mixed.ids_for("security")) == (("b", "c"), ("a",), ())
    assert mixed.shortest == timedelta(milliseconds=70)
    assert plan().shortest == timedelta()


# The form's first line ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Sunday 2026-07-12 03:00–05:00 UTC"),
        ({"outside": True}, "OUTSIDE THE CALENDAR — would run until Sunday 2026-07-12 05:00 UTC"),
        ({"not_after": SUNDAY + 22 * HOUR}, "Sunday 2026-07-12 03:00 – Monday 2026-07-13 01:00 UTC"),
        ({"not_after": SUNDAY + 24 * HOUR}, "Sunday 2026-07-12 03:00 – Monday 2026-07-13 03:00 UTC"),
        ({"not_before": SUNDAY.astimezone(timezone(-5 * HOUR))}, "Sunday 2026-07-12 03:00–05:00 UTC"),
        (
            {"outside": True, "not_after": (SUNDAY + 2 * HOUR).astimezone(timezone(5 * HOUR))},
            "OUTSIDE THE CALENDAR — would run until Sunday 2026-07-12 05:00 UTC",
        ),
    ],
)
def test_the_first_line_says_when(fields: dict[str, Any], said: str) -> None:
    """The window, or that there is none and until when it would run; in UTC, with the day it ends on."""
    shown = body(plan(action(), **fields), "dba", {}, ["ann"])
    assert shown.splitlines()[0] == f"**{said}**"
    assert ("override" in shown) is bool(fields.get("outside"))


def test_the_title_holds_nothing_from_the_database() -> None:
    """The role first, then how many of the plan's actions are its to decide on, target and cadence."""
    assert subject(plan(action()), "dba", "Database Administrator") == (
        "Database Administrator: 1 of 1 action, primary weekly"
    )
    assert subject(TWO, "devops", "DevOps Engineer") == "DevOps Engineer: 2 of 2 actions, primary weekly"
    half = plan(action("1"), action("2", roles=("dba",)))
    assert subject(half, "devops", "DevOps Engineer") == "DevOps Engineer: 1 of 2 actions, primary weekly"
    assert subject(plan(), "devops", "DevOps Engineer") == "DevOps Engineer: 0 of 0 actions, primary weekly"


def test_an_action_has_a_label_that_people_can_read() -> None:
    """Verb, object and size; another schema is named, what hides in a name is spelled out."""
    drop = action(verb="drop", table="performance_logs_created_at_idx")
    assert label(plan(drop), drop, {"bytes": 576 * 1024}) == "DROP performance_logs_created_at_idx, 576 kB"
    other = action(schema="logs", table="a\u202eb")
    assert label(plan(other), other, {}) == "VACUUM logs.a⟨U+202E⟩b"
    setting = action(kind="thresholds", verb="set", schema="primary", table="response_time")
    assert label(plan(setting), setting, {}) == "SET response_time"


def test_the_form_says_when_it_runs_and_where_the_evidence_is() -> None:
    """At once after the last answer where the window is open, in the next one where it is asked for that."""
    now = body(plan(action(), requested_by=SCHEDULE), "dba", {}, ["ann"], (), "http://here/upkeep/report")
    assert "What is approved runs right after the last role's answer." in now
    assert "[The report so far](http://here/upkeep/report)" in now
    later = body(plan(action(), requested_by="ann"), "dba", {}, ["ann"])
    assert "runs in the window, from Sunday 2026-07-12 03:00 UTC on" in later and "report so far" not in later


# The form as Markdown -----------------------------------------------------------------------------------------

GFM = MarkdownIt("gfm-like")  # tables, strikethrough, raw HTML, links without brackets
#: What remark-gfm, which Airflow's UI renders with, turns into links wherever a text node holds it.
BARE_LINK = re.compile(r"https?://|www(?=\.)|[-.\w+]+@[-\w]+\.[-\w]+", re.IGNORECASE)
#: The tokens of the form; whatever else the parser finds is named.
MARKS = {"strong_open": "<b>", "strong_close": "</b>", "em_open": "<i>", "em_close": "</i>", "softbreak": " "}


def read(markdown: str) -> list[str]:
    """What a parser makes of Markdown, a line for each paragraph: ``- `` per item, code in 《…》, surprises named."""
    lines, depth, item = [], 0, False
    for token in GFM.parse(markdown):
        if token.type == "inline":
            lines.append("  " * depth + "- " * item + "".join(map(piece, token.children or [])))
            item = False
        elif token.type in ("bullet_list_open", "bullet_list_close"):
            depth += token.nesting
        elif token.type == "list_item_open":
            item = True
        elif token.type not in ("paragraph_open", "paragraph_close", "list_item_close"):
            lines.append(f"<{token.type} {token.content}>")
    return lines


def piece(token: Any) -> str:
    if token.type == "text":
        assert not BARE_LINK.search(token.content)
        return str(token.content)
    return f"《{token.content}》" if token.type == "code_inline" else MARKS.get(token.type, f"<{token.type}>")


def test_the_form_says_how_an_action_is_taken_back() -> None:
    """Where there is a way back, it stands beside the action; where there is none, nothing does."""
    back = 'CREATE INDEX CONCURRENTLY "old" ON "public"."error_logs" ("created_at")'
    line = f"    - undo: 《{back}》"
    assert line in read(body(plan(action(undo=back)), "dba", {}, ["ann"]))
    assert not [one for one in read(body(plan(action()), "dba", {}, ["ann"])) if "undo" in one]


def test_the_form_is_what_the_plan_says() -> None:
    """Every line of it: who asked, each action with its reason, cost, lock and roles, what was seen, what it needs."""
    seen = {"1": {"live rows": 1_234_567, "note": "a_b", "dead rows": 0.5}}
    three = replace(TWO, actions=(*TWO.actions, action("3", roles=("lead",))))
    shown = body(three, "dba", seen, ["bob", "ann"])
    assert read(shown) == [
        "<b>Sunday 2026-07-12 03:00–05:00 UTC</b>",
        "What is approved runs right after the last role's answer.",
        "Only 《ann》, 《bob》 may answer. Anybody else can read this form, but is refused with Access Denied.",
        f"Asked by 《the schedule》 · database 《app》 · plan {digest(canonical(three))[:12]}",
        '  - <b>1</b> · 《VACUUM (ANALYZE, TRUNCATE false) "public"."error_logs"》',
        "    - at least 10 % of its rows are dead; takes about 2 s, lock SHARE UPDATE EXCLUSIVE, needs dba, devops",
        "    - seen: dead rows 0.5, live rows 1,234,567, note 《a_b》",
        '  - <b>2</b> · 《VACUUM (ANALYZE, TRUNCATE false) "public"."error_logs"》',
        "    - at least 10 % of its rows are dead; takes about 2 s, lock SHARE UPDATE EXCLUSIVE, needs dba, devops",
        "    - only after 1",
        "3 more candidates wait for the next window: a plan holds at most 200 actions, and fewer of some kinds.",
        "<i>Approve</i> lets exactly the actions in the list below run; take out those that should not run.",
    ]
    assert read(body(plan(outside=True), "dba", {}, ["ann"]))[4:] == [
        "<i>Approve</i> lets exactly the actions in the list below run; take out those that should not run. "
        "Approving is the override that lets them run outside the calendar."
    ]


HOSTILE = [
    "`",
    "``",
    "a`b``c```d",
    "`x` **Approve all**",
    "```\n**Approve all**\n```",
    "**Approve all**",
    "x\n\n# Approve all\n\n- **9** · nothing happens",
    "x\r\n- **9** · y",
    "a\u2028b\u2029c\x0bd\x0ce\x85f",
    "| a | b |\n|---|---|\n| c | d |",
    "|",
    "[click](javascript:alert(1))",
    "](javascript:alert(1))",
    "![x](https://evil.com/x.png)",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<!-- ",
    "<https://evil.com>",
    "www.evil.com",
    "https://evil.com/`x",
    "mallory@evil.com",
    "[^1]",
    "[x]: https://evil.com",
    "~~not~~",
    "&lt;b&gt; &#96;",
    "\\`\\",
    "\\",
    "*",
    "_x_",
    "    indented",
    "\ttab",
    "1. first",
    "1) first",
    "- [ ] task",
    "> quote",
    "===",
    "---",
    "$x$",
    "{{ ds }}",
    "",
    " ",
    "   ",
    " a ",
    "a  b",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "a\u200bb\u200c\u200d\u2060\ufeff",
    "a\u00a0b\u3000c\u2003d",
    "e\u0301",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘",
    "\u3164\uffa0\u115f\u1160\u2800",
    "a\ufe0fb\U000e0100c\u034fd",
    "\U000e0041\U000e0042",
    "\ue000\U000f0000",
    "⟨U+202E⟩",
    "⟨empty⟩",
    "〈U+202E〉",
    "раypal",
    "a" * 63,
    "é" * 31,
    "🦆" * 15,
    "👩\u200d💻",
    "א1",
    "1א",
]


def span(text: str) -> str:
    """Text as the code span that is read back."""
    return f"《{visible(text).replace('`', '⟨U+0060⟩') or '⟨empty⟩'}》"


def said(text: str) -> str:
    """Text as it is read back: as it is only where it is one of our own words."""
    return text if prose(text) == text else span(text)


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_no_name_can_rewrite_the_form(name: str) -> None:
    """Hostile in every field that is text: each stays one code span, whole, and the form is no other than ever."""
    role, statement = f"r{name}", f'ANALYZE "{name}"'
    hostile = action(name, statement=statement, because=name, lock=name, roles=("dba", role), needs=(name, name))
    seen = {"seen": name, f"k {name}": 5}
    shown = read(body(plan(hostile, requested_by=name, database=name), "dba", {name: seen}, [name]))
    assert shown[1].startswith("What is approved runs ")
    assert shown[2].startswith(f"Only {span(name)} may answer. ")
    assert shown[3].startswith(f"Asked by {span(name)} · database {span(name)} · plan ")
    assert shown[4:-1] == [
        f"  - <b>{said(name)}</b> · {span(statement)}",
        f"    - {said(name)}; takes about 2 s, lock {said(name)}, needs dba, {said(role)}",
        f"    - seen: {said(f'k {name}')} 5, seen {span(name)}",
        f"    - only after {said(name)}, {said(name)}",
    ]
    assert prose(name) == core_text.code(name) or re.fullmatch(r"a{63}", name)


@pytest.mark.parametrize(
    "name", ["**Approve all**", "<img src=x onerror=alert(1)>", "[click](x)", "`x`", "a\n- b", "~~x~~"]
)
def test_the_parser_would_see_what_got_out(name: str) -> None:
    """Without the code span each of these does rewrite the form: the test above can fail."""
    assert read(f"- **1** · {name}") != [f"  - <b>1</b> · {name}"]


@pytest.mark.parametrize("name", ["www.evil.com", "www.evil.example", "a@evil.example", "http://evil.example"])
def test_what_airflow_would_link_is_seen(name: str) -> None:
    """Addresses that this parser leaves alone and remark-gfm does not."""
    with pytest.raises(AssertionError):
        read(f"see {name}")
    assert read(prose(name)) == [f"《{name}》"]


@pytest.mark.parametrize(
    ("quoted", "copied"),
    [
        ('"a\u200bX"', 'U&"a\\200BX"'),
        ('"!\u200b~"', 'U&"!\\200B~"'),
        ('"\uffff\U00010000\u200b"', 'U&"\\FFFF\\+010000\\200B"'),
        ("'a\u200bX'", "U&'a\\200BX'"),
        ("E'a\u200bX'", "E'a\\U0000200BX'"),
        ('"plain"', '"plain"'),
        ("E'plain'", "E'plain'"),
    ],
)
def test_what_does_not_look_as_it_is_is_escaped_to_its_last_letter(quoted: str, copied: str) -> None:
    """A name, a string and one with escapes of its own."""
    assert copyable(f"SELECT {quoted}, 1") == f"SELECT {copied}, 1"


def test_our_own_words_stay_words() -> None:
    """What plans really say is no code; what could be a list, emphasis or an address is."""
    plain = ["at least 12.5 % of its rows are dead", "SHARE UPDATE EXCLUSIVE", "tech_lead", "1", "200", "a-b, c (d)"]
    assert [prose(text) for text in plain] == plain
    odd = ["1. a", "1) a", "_a", "a_", "a _b", "a. b", "a.b", "a:b", "a  b", "a ", " a", "- a", "+1", "(a)", "a-", "é"]
    assert [prose(text) for text in odd] == [core_text.code(text) for text in odd]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1_234_567, "1,234,567"), (0.5, "0.5"), ("1", "`1`"), (None, "`None`"), ("**", "`**`"), (-3, "-3")],
)
def test_measured_values(value: Any, shown: str) -> None:
    """Numbers with separators; everything else as code."""
    assert core_text.plain(value) == shown


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [(0, "0 ms"), (999, "999 ms"), (1000, "1 s"), (119_999, "120 s"), (120_000, "2 min"), (5_400_000, "90 min")],
)
def test_durations_for_people(milliseconds: int, said: str) -> None:
    """In the unit in which people would say it."""
    assert seconds(milliseconds) == said


# What names look like -----------------------------------------------------------------------------------------


#: What draws nothing though it is no control character, space or mark.
BLANK = "\u115f\u1160\u2800\u3164\uffa0\U0001d159"


def look(markdown: str) -> str:
    """What is left of Markdown for the eye: the parser's text, canonically composed, blanks collapsed and trimmed."""
    text = unicodedata.normalize("NFC", "".join(read(markdown)))
    drawn = "".join(
        character for character in text if unicodedata.category(character)[0] not in "CM" and character not in BLANK
    )
    return " ".join(drawn.split())


def test_different_names_never_look_the_same() -> None:
    """All hostile names, and all words of up to three letters of an alphabet of twins, blanks and spellings."""
    alphabet = [
        "a",
        " ",
        "`",
        "⟨",
        "⟩",
        "U+202E",
        "\u202e",
        "é",
        "e",
        "\u0301",
        "\u0300",
        "\u200d",
        "\n",
        "\u212a",
        "K",
    ]
    words = ["".join(word) for length in range(4) for word in itertools.product(alphabet, repeat=length)]
    names = sorted(set(words) | set(HOSTILE))
    looks = {name: look(core_text.code(name)) for name in names}
    assert len(set(looks.values())) == len(names)


TWINS = [
    ("⟨U+202E⟩", "\u202e"),
    ("", "⟨empty⟩"),
    ("`", "⟨U+0060⟩"),
    (" ", "⟨U+0020⟩"),
    ("a b", "a  b"),
    ("a", " a "),
    ("é", "e\u0301"),
    ("\u1e69", "s\u0307\u0323"),
    ("s\u0323\u0307", "s\u0307\u0323"),
    ("Å", "\u212b"),
    ("K", "\u212a"),
    ("가", "\u1100\u1161"),
    ("豈", "\uf900"),
    ("👩💻", "👩\u200d💻"),
    ("❤", "❤\ufe0f"),
    ("葛", "葛\U000e0100"),
    ("a", "a\u034f"),
    ("a", "a\u2800"),
    ("a", "a\u3164"),
    ("a", "a\U000e0061"),
    ("a", "a\u00ad"),
    ("a\u0338b", "ab"),
]


@pytest.mark.parametrize(("one", "other"), TWINS, ids=ascii)
def test_twins_are_told_apart(one: str, other: str) -> None:
    """Also where only a font would show it: one of the two at least spells out what differs."""
    assert one != other
    assert look(core_text.code(one)) != look(core_text.code(other))


def test_no_character_of_a_shown_name_is_lost_to_the_eye() -> None:
    """Each of the first 65,536 characters, and the planes with emoji, tags and selectors: shown as is, or spelled."""
    for code in itertools.chain(
        range(0xD800), range(0xE000, 0x10000), range(0x1D100, 0x1D200), range(0x1F000, 0x1FB00)
    ):
        shown = visible(f"x{chr(code)}x")
        if shown != f"x⟨U+{code:04X}⟩x":
            assert shown == f"x{chr(code)}x"
            assert (unicodedata.category(chr(code))[0] in "LNPS" and chr(code) not in BLANK) or code == 0x20
            assert unicodedata.is_normalized("NFC", shown)


def test_orders_that_look_the_same_are_spelled_out() -> None:
    """A digit beside right-to-left letters is drawn at the same place whether it stands before or after them."""
    assert visible("א1") == "⟨U+05D0⟩1"
    assert visible("1א") == "1⟨U+05D0⟩"
    assert visible("אב_ג") == "אב_ג"
    assert visible("٣-٤") == "⟨U+0663⟩-⟨U+0664⟩"


@pytest.mark.parametrize("name", ["раypal", "a" * 63, "é" * 31, "🦆" * 15, "表", "Straße_2", "ＡＢＣ", "ﬁ"])
def test_letters_are_letters(name: str) -> None:
    """Homoglyphs, other scripts, emoji: shown as they are, and whole."""
    assert visible(name) == name


def test_200_hostile_actions_of_63_bytes_are_all_shown() -> None:
    """The largest plan: each statement once, whole."""
    many = [action(str(number), statement=f'VACUUM "{number:03d}{"🦆" * 15}"') for number in range(200)]
    lines = read(body(plan(*many), "dba", {}, ["ann"]))
    assert [line for line in lines if "《V" in line] == [
        f'  - <b>{number}</b> · 《VACUUM "{number:03d}{"🦆" * 15}"》' for number in range(200)
    ]
