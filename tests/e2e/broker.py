"""The queue between schedulers and workers as a broker may treat it: messages that come twice."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kombu import Connection

from sandbox import distributed
from sandbox.stack import Sandbox


@dataclass(frozen=True)
class Broker:
    """The Redis of a sandbox on Celery, through the transport that its workers use."""

    sandbox: Sandbox

    def message_of(self, run: str, task: str) -> dict[str, Any]:
        """The message of a task that a worker has taken and not acknowledged, for it runs."""
        with self._channel() as (channel, redis):
            taken = [json.loads(kept)[0] for kept in redis.hvals(channel.unacked_key)]
        wanted = (run, f'"task_id":"{task}"')
        (found,) = (one for one in taken if all(word in _workload(one) for word in wanted))
        return dict(found)

    def deliver_again(self) -> None:
        """What the transport does when the visibility timeout is over, for all that is taken."""
        with self._channel() as (channel, redis):
            for tag in redis.hkeys(channel.unacked_key):
                channel.qos.restore_by_tag(tag)

    def send(self, message: dict[str, Any]) -> None:
        """A message once more, as a broker may that has lost its acknowledgement."""
        with self._channel() as (_, redis):
            redis.rpush(_queue(message), json.dumps(message))

    def has(self, message: dict[str, Any]) -> bool:
        """Whether a message is queued, or taken and not acknowledged."""
        number = message["headers"]["id"].encode()
        with self._channel() as (channel, redis):
            kept = redis.hvals(channel.unacked_key) + redis.lrange(_queue(message), 0, -1)
        return any(number in one for one in kept)

    @contextmanager
    def _channel(self) -> Iterator[tuple[Any, Any]]:
        with Connection(distributed.broker(self.sandbox)) as queue:
            channel = queue.default_channel
            with channel.conn_or_acquire() as redis:
                yield channel, redis


def _workload(message: dict[str, Any]) -> str:
    """What Airflow's scheduler has put into a message."""
    return str(json.loads(base64.b64decode(message["body"]))[0][0])


def _queue(message: dict[str, Any]) -> str:
    return str(message["properties"]["delivery_info"]["routing_key"])
