"""kombu's filesystem transport, made safe for several processes: one rename brings a message, one takes it.

kombu's own writes in place, so that a reader may take half a message, and takes messages by way of the
system's temp folder, which may lie on another disk.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from queue import Empty
from time import time_ns
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.encoding import bytes_to_str, str_to_bytes
from kombu.utils.json import dumps, loads


class Channel(filesystem.Channel):
    """Messages are files `<nanoseconds>_<uuid>.<queue>.msg`; names sort by age, also after a reboot."""

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
