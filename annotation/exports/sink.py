"""A file that writers write into and a generator takes chunks out of."""

from __future__ import annotations

import io


class Sink(io.RawIOBase):
    """Write-only and not seekable; `take` hands over what was written since the last call."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(data)  # type: ignore[call-overload]
        self.parts.append(part)
        return len(part)

    def take(self) -> bytes:
        data = b"".join(self.parts)
        self.parts.clear()
        return data
