"""The ways to people: Airflow's SMTP and Slack hooks, and apprise for SMS and all else, each by its Connection.

A channel without a Connection is not set up: that is said, and is no failure. No redirect is followed: it would send a
message, and what lets us send it, to another host.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from upkeep.areas.alerts.deliver import NotTakenError
from upkeep.flow.connections import NoConnectionError, connection
from upkeep.settings.base import ConfigError
from upkeep.settings.routing import Channel, ChannelKind

if TYPE_CHECKING:
    from upkeep.areas.alerts.deliver import Send
    from upkeep.settings.routing import Routing

#: The Connection's type of each kind; apprise's own is known to Airflow only where its provider is installed.
TYPES = {ChannelKind.EMAIL: "smtp", ChannelKind.SLACK: "slackwebhook", ChannelKind.APPRISE: "generic"}


def senders(routing: Routing) -> tuple[dict[str, Send], dict[str, str]]:
    """The channels that are set up, and why the others are not."""
    found: dict[str, Send] = {}
    missing: dict[str, str] = {}
    for name, channel in routing.channels.items():
        if why := not_set_up(name, channel):
            missing[name] = why
        else:
            found[name] = partial(_SENDERS[channel.kind], channel, routing.retry.timeout_seconds)
    return found, missing


def not_set_up(name: str, channel: Channel) -> str:
    """Why nobody is told through a channel; empty when it is set up, be it wrongly: then sending says so."""
    try:
        connection(channel.connection, TYPES[channel.kind])
    except NoConnectionError:
        return f"found no Connection {channel.connection!r} of type {TYPES[channel.kind]}"
    except Exception:  # a secrets backend that is away, a Connection of another type
        return ""
    if channel.kind is ChannelKind.EMAIL and not channel.to:
        return f"found nobody in config/routing.yaml: channels.{name}.to"
    return ""


def _mail(channel: Channel, seconds: float, body: Mapping[str, Any], key: str) -> None:
    from upkeep.areas.alerts.render.mail import mail
    from upkeep.flow.hooks import MailHook

    found = connection(channel.connection, TYPES[channel.kind])
    sender = str(found.extra_dejson.get("from_email") or "")
    if "@" not in sender:
        raise ConfigError(f"Connection {channel.connection!r}: found no from_email in its extra, expected an address")
    with MailHook(channel.connection, seconds) as hook:
        refused = hook.send(mail(body, key, sender, channel.to))  # type: ignore[attr-defined]
    if refused:  # the others have it: sent again they would have it twice
        hook.log.warning("Channel of Connection %r: %d recipients were refused", channel.connection, len(refused))


def _slack(channel: Channel, seconds: float, body: Mapping[str, Any], key: str) -> None:
    from upkeep.areas.alerts.render.slack import slack
    from upkeep.flow.hooks import SlackHook

    connection(channel.connection, TYPES[channel.kind])
    answer = SlackHook(channel.connection, seconds).client.send_dict(slack(body), headers={"Idempotency-Key": key})
    if answer.status_code != 200:
        wait = str({name.lower(): value for name, value in answer.headers.items()}.get("retry-after", ""))
        patience = timedelta(seconds=int(wait)) if wait.isdecimal() and len(wait) < 7 else None
        raise NotTakenError(f"Slack answered {answer.status_code}: {answer.body[:100]}", patience)


def _apprise(channel: Channel, seconds: float, body: Mapping[str, Any], key: str) -> None:
    import apprise

    from upkeep.areas.alerts.render.sms import sms
    from upkeep.areas.alerts.render.words import headline, plain

    found = connection(channel.connection, TYPES[channel.kind])
    services = apprise.Apprise(
        asset=apprise.AppriseAsset(app_id="Upkeep", http_redirects=False, async_mode=False, secure_logging=True)
    )
    for url in (found.password or "").split():
        if not services.add(url):
            raise ConfigError(f"Connection {channel.connection!r}: found a URL that apprise does not know as password")
    if not len(services):
        raise ConfigError(f"Connection {channel.connection!r}: found no password, expected an apprise URL there")
    each: Iterable[Any] = services
    for service in each:
        service.redirects = False  # whatever its URL says
        service.socket_connect_timeout = service.socket_read_timeout = seconds
        if isinstance(getattr(service, "headers", None), dict):
            service.headers["Idempotency-Key"] = key
    title, text = ("", sms(body)) if channel.brief else (headline(body), plain(body))
    kinds = {"critical": apprise.NotifyType.FAILURE, "ok": apprise.NotifyType.SUCCESS}
    kind = kinds.get(body["level"], apprise.NotifyType.WARNING)
    with apprise.LogCapture(level=logging.WARNING) as said:  # type: ignore[no-untyped-call]
        taken = services.notify(title=title, body=text, notify_type=kind)
        why = said.getvalue()
    if not taken:
        raise NotTakenError(why or "apprise could not send it")


_SENDERS = {ChannelKind.EMAIL: _mail, ChannelKind.SLACK: _slack, ChannelKind.APPRISE: _apprise}
