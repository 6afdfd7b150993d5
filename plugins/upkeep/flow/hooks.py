"""Airflow's hooks for mail and Slack, with our timeouts, and without following redirects; imported to send."""

from __future__ import annotations

from email.message import EmailMessage
from functools import cached_property
from http.client import HTTPMessage
from typing import IO, Any
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook
from airflow.providers.smtp.hooks.smtp import SmtpHook
from slack_sdk.webhook import WebhookClient, WebhookResponse

#: Bytes of an answer that are read.
MOST_ANSWER = 10_000


class MailHook(SmtpHook):
    """One try, each step of it within ``seconds``: the outbox tries again."""

    def __init__(self, connection_id: str, seconds: float) -> None:
        super().__init__(smtp_conn_id=connection_id)
        self.seconds = seconds

    @property
    def smtp_retry_limit(self) -> int:
        return 0

    @property
    def timeout(self) -> int:
        return max(1, round(self.seconds))

    def send(self, message: EmailMessage) -> dict[str, Any]:
        """Hand one mail over. Returns the recipients that the server refused while it took others."""
        client: Any = self._smtp_client
        return dict(client.send_message(message))


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Leave a redirect to the caller, as an answer that is no 200."""


class _Client(WebhookClient):
    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        if not url.lower().startswith(("https://", "http://")):
            raise ValueError("found a webhook's URL without http, expected https://hooks.slack.com/services/…")
        handlers: list[Any] = [_NoRedirects(), HTTPSHandler(context=self.ssl)]
        if self.proxy:
            handlers.append(ProxyHandler({"http": self.proxy, "https": self.proxy}))
        with build_opener(*handlers).open(req, timeout=self.timeout) as answer:
            body = answer.read(MOST_ANSWER).decode("utf-8", "replace")
            return WebhookResponse(url=url, status_code=answer.status, body=body, headers=dict(answer.headers))


class SlackHook(SlackWebhookHook):
    """Slack's webhook, asked once: its answer is judged by whoever asks."""

    def __init__(self, connection_id: str, seconds: float) -> None:
        super().__init__(slack_webhook_conn_id=connection_id, timeout=max(1, round(seconds)), retry_handlers=[])

    @cached_property
    def client(self) -> WebhookClient:
        return _Client(**self._get_conn_params())
