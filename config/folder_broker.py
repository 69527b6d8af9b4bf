"""kombu's filesystem transport, made safe for several processes: one rename brings a message, one takes it.

kombu's own writes in place, so that a reader may take half a message or an empty table of queues, and takes
messages by way of the system's temp folder, which may lie on another disk.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from time import time_ns
from typing import Any, cast

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.transport.filesystem import exchange_queue_t
from kombu.utils.encoding import bytes_to_str, str_to_bytes
from kombu.utils.json import dumps, loads


class Channel(filesystem.Channel):
    """Messages are files `<nanoseconds>_<uuid>.<queue>.msg`; names sort by age, also after a reboot."""

    def get_table(self, exchange: str) -> list[Any]:
        """The queues bound to the exchange. Each new table comes by a rename, so it is always whole."""
        try:
            said = self._table(exchange).read_text()
        except FileNotFoundError:
            return []
        return [exchange_queue_t(*row) for row in loads(said)]

    def _queue_bind(
        self, exchange: str, routing_key: str | None, pattern: str | None, queue: str | None
    ) -> None:
        row = exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with self._only_me(exchange):
            known = self.get_table(exchange)
            if row not in known:
                self._write(exchange, [row, *known])

    def _delete(
        self,
        queue: str,
        exchange: str,
        routing_key: str | None,
        pattern: str | None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        self._purge(queue)
        row = exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with self._only_me(exchange):
            known = self.get_table(exchange)
            if row in known:
                self._write(exchange, [one for one in known if one != row])

    def _table(self, exchange: str) -> Path:
        path: Path = cast("Any", self)._exchange_file(exchange)
        return path

    @contextmanager
    def _only_me(self, exchange: str) -> Iterator[None]:
        """No other process writes this exchange's table meanwhile."""
        file = self._table(exchange)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.with_name(f"{file.name}.lock").open("a") as guard:
                fcntl.flock(guard, fcntl.LOCK_EX)  # closing the file gives it back
                yield
        except OSError as error:
            raise ChannelError(f"cannot write {file}: {error}") from error

    def _write(self, exchange: str, rows: list[Any]) -> None:
        file = self._table(exchange)
        fresh = file.with_name(f"{file.name}.part")
        fresh.write_bytes(str_to_bytes(dumps(rows)))
        fresh.replace(file)

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]
        name = f"{time_ns():020d}_{uuid.uuid4()}.{queue}.msg"
        target = Path(self.data_folder_out) / name
        fresh = Path(self.processed_folder) / f"{name}.part"
        try:
            fresh.write_bytes(str_to_bytes(dumps(payload)))
            fresh.replace(target)
        except OSError as error:
            raise ChannelError(f"cannot write a message to {target.parent}: {error}") from error

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        ending = f"{queue}.msg"
        try:
            waiting = sorted(path.name for path in Path(self.data_folder_in).iterdir())
        except OSError as error:
            raise ChannelError(f"cannot list {self.data_folder_in}: {error}") from error
        for name in waiting:
            if name.partition(".")[2] == ending and (payload := self._take(name)) is not None:
                return loads(bytes_to_str(payload))
        raise Empty

    def _take(self, name: str) -> bytes | None:
        """The message's bytes; None when another process was faster."""
        mine = Path(self.processed_folder) / f"{name}.{os.getpid()}"
        try:
            (Path(self.data_folder_in) / name).rename(mine)
        except OSError:
            return None
        payload = mine.read_bytes()
        mine.unlink()
        return payload


class Transport(filesystem.Transport):
    Channel = Channel
    polling_interval = 0.2  # seconds between looks into the folder
