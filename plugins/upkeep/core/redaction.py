"""What nobody wants to read in a ledger: secrets, and people's addresses where they are not the point.

Error texts and functions' answers carry what others put into them. ``ledger.write`` passes all that it keeps through
here, so that no writer can forget it; the shapes are public, each with its source. A token that is random by itself
leaves eight digits of its SHA-256, so that its owner can tell which one it was and two are told apart. A password, an
e-mail address or an IP address leaves nothing: whoever has its digest finds it by trying all. The same text becomes the
same text every week. A plan's statements are never touched, for their digest is what people approve.

What has no shape of its own (a name, a street, a password in the middle of a sentence) is not found; docs/adr/0017
says what cannot be promised.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import json
import re
from collections.abc import Callable
from typing import Any

Rule = Callable[[str], str]

#: Tokens that can be told by their shape. Sources: RFC 7519 (JWT); Supabase "Understanding API keys"; the secret
#: scanning patterns that GitHub, GitLab, Slack, Stripe, AWS, Google, npm, OpenAI and SendGrid publish; RFC 7468 (PEM);
#: PostgreSQL "Password Authentication" (pg_authid.rolpassword).
_TOKENS = re.compile(
    r"""
      (?<![\w-]) (?:
        eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?                       # JWT, with or without its signature
      | sb_(?:secret|temp)_[\w-]{8,} | sbp_(?:v0_|oauth_)?[0-9a-f]{40}
      | (?:AKIA|ASIA)[A-Z0-9]{16}
      | gh[pousr]_\w{36,255} | github_pat_\w{22,255} | glpat-[\w-]{20,}
      | xox[abeoprs]-[\w-]{10,} | xapp-[\w-]{10,}
      | [rs]k_(?:live|test)_\w{10,} | whsec_[\w+/=]{16,} | sk-[\w-]{20,}
      | AIza[\w-]{35} | npm_\w{36} | SG\.[\w-]{16,}\.[\w-]{16,}
      | SCRAM-SHA-256\$\d+:[\w+/=]+\$[\w+/=]+:[\w+/=]+ | md5[0-9a-f]{32}
      ) (?![\w-])
    | https://hooks\.slack\.com/(?:services|workflows)/[\w/+-]+
    | -----BEGIN\ [A-Z ]{0,40}PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]{0,40}PRIVATE\ KEY-----|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
#: The password of a URL (RFC 3986, userinfo).
_URL = re.compile(r"(?<=://)([^\s:/?#@\"'<>]{0,200}):([^\s/\"'<>⟨]{1,200})@(?=[\w\[%])")
#: An Authorization header (RFC 6750, RFC 7617).
_HEADER = re.compile(r"(?<!\w)(bearer|basic)\s+([\w.~+/-]{8,}=*)", re.IGNORECASE)
_NAME = (
    "(?:pass(?:word|wd|phrase)|pwd|secret|(?:access|auth|refresh|session|id)?_?token"
    "|(?:api|access|private|service_role)[_-]?key)"
)
#: A word that announces a secret, and the secret: ``password=…``, ``"apikey": "…"``, ``PASSWORD '…'``.
_WORD = re.compile(
    rf"""
    (?<![\w-]) ((?:[\w-]{{0,40}}[_-])?{_NAME})
    (["']?\s*=\s* | ["']\s*:\s* | \s*:\s+ | \s+(?='))
    (?: (["'])([^"'\n⟨]{{3,500}}) | ([^\s"'&,;⟨⟩]{{3,500}}) )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_NAMED = re.compile(rf"(?:[\w-]{{0,40}}[_-])?{_NAME}", re.IGNORECASE)
#: RFC 5321 allows 64 characters before the @; what looks like a package's version is none.
_MAIL = re.compile(r"(?<![\w.%+/:@-])[\w.%+-]{1,64}@(?!\d+\.\d)[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.[^\W\d_]{2,24}(?!\w)")
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9a-fA-F]{1,4}:[0-9a-fA-F:]{2,34}(?:\.\d{1,3}){0,3}(?![\w:])")
#: Values that PostgreSQL repeats in its errors, of a key, of a row, of what it could not read: up to the line's end.
_VALUES = re.compile(
    r'(Key \([^()\n]{1,500}\)=|Failing row contains |invalid input syntax for[^:\n]{1,80}: )["(][^\n]*'
)
#: What none of the rules can be about: a short word.
_SUSPECT = re.compile(r"[@.:='\s]|.{20}", re.DOTALL)
#: Networks of machines and not of people: this host, private and link-local ones, "any".
_OURS = tuple(
    ipaddress.ip_network(one)
    for one in (
        *("0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
        *("255.0.0.0/8", "::/127", "fc00::/7", "fe80::/10"),
    )
)
#: A string of JSON, and the one behind it when it is a member's name.
_STRING = re.compile(r'("(?:[^"\\]|\\.)*")(?:(\s*:\s*)("(?:[^"\\]|\\.)*"))?')


def tokens(text: str) -> str:
    """A text without what is a secret by its shape: for statements and pages, where words are names."""
    found = _TOKENS.sub(lambda match: f"⟨secret {_digest(match[0])}⟩", text)
    return _HEADER.sub(_header, _URL.sub(r"\1:⟨password⟩@", found))


def secrets(text: str) -> str:
    """A text without tokens, and without what stands behind a word that announces a secret."""
    return _WORD.sub(_word, tokens(text))


def people(text: str) -> str:
    """A text without secrets, e-mail addresses, IP addresses of people, and values that PostgreSQL repeats."""
    if not _SUSPECT.search(text):
        return text
    found = _VALUES.sub(r"\1⟨values⟩", secrets(text))
    found = _MAIL.sub("⟨e-mail⟩", found)
    return _IPV6.sub(_address, _IPV4.sub(_address, found))


def redacted(value: Any, rule: Rule = people) -> Any:
    """A value of any depth with a rule upon each text; a text under a secret's name goes as a whole."""
    match value:
        case str():
            return rule(value)
        case dict():
            return {redacted(key, rule): _member(key, item, rule) for key, item in value.items()}
        case list() | tuple():
            return [redacted(item, rule) for item in value]
        case _:
            return value


def body(text: str) -> str:
    """A function's answer without secrets and people: JSON stays JSON, and is byte for byte as it came elsewhere."""
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return people(text)
    return _STRING.sub(_strings, text)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _header(match: re.Match[str]) -> str:
    scheme, token = match[1], match[2]
    if scheme.lower() == "basic":
        try:
            secret = b":" in base64.b64decode(token + "=" * (-len(token) % 4), validate=True)
        except (binascii.Error, ValueError):
            secret = False
    else:
        secret = any(letter.isdigit() for letter in token)  # "bearer authentication" is none
    return f"{scheme} ⟨secret⟩" if secret else match[0]


def _word(match: re.Match[str]) -> str:
    name, sign, quote, quoted, bare = match.groups()
    value = quoted or bare
    told = re.match(r"[?*…]|\$\d+$|(?i:null|none|true|false)$", value)
    # Behind a mere colon stands a sentence as often as a secret.
    prose = (
        bare and "=" not in sign and not (len(value) > 5 and re.search(r"\d", value) and re.search(r"[^\W\d]", value))
    )
    return match[0] if told or prose else f"{name}{sign}{quote or ''}⟨secret⟩"


def _member(key: object, item: Any, rule: Rule) -> Any:
    if rule is not tokens and isinstance(key, str) and isinstance(item, str) and _holds_secret(key, item):
        return "⟨secret⟩"
    return redacted(item, rule)


def _holds_secret(key: str, value: str) -> bool:
    """Whether a text stands under a name such as ``password``; a sentence is none."""
    return _NAMED.fullmatch(key) is not None and len(value) > 3 and not re.search(r"[\s⟨]", value)


def _strings(match: re.Match[str]) -> str:
    name, sign, item = match.groups()
    if item is None:
        return _string(name)
    return f"{_string(name)}{sign}{_string(item, _text(name))}"


def _string(literal: str, name: str = "") -> str:
    """A string of JSON as it is to be kept; one that need not change stays as it was written."""
    found = _text(literal)
    left = "⟨secret⟩" if _holds_secret(name, found) else people(found)
    return literal if left == found else json.dumps(left, ensure_ascii=False)


def _text(literal: str) -> str:
    try:
        return str(json.loads(literal, strict=False))
    except ValueError:  # no JSON after all, such as "\x"
        return literal


def _address(match: re.Match[str]) -> str:
    text = match[0].rstrip(":.")
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return match[0]
    if any(found.version == network.version and found in network for network in _OURS):
        return match[0]
    return "⟨address⟩" + match[0][len(text) :]
