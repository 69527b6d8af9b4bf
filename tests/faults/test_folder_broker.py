"""The embedded broker: a folder of messages that several processes write and take at once."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection
from kombu.exceptions import ChannelError, OperationalError

import config.celery  # noqa: F401 - puts our transport in kombu's place
from config.folder_broker import Transport

MESSAGES = 60


def options(folder: Path) -> dict[str, str]:
    for name in ("queue", "control", "processed"):
        (folder / name).mkdir(exist_ok=True)
    queue = str(folder / "queue")
    names = {"control_folder": "control", "processed_folder": "processed"}
    paths = {option: str(folder / name) for option, name in names.items()}
    return {"data_folder_in": queue, "data_folder_out": queue, **paths}


def connect(folder: Path) -> Connection:
    return Connection("filesystem://localhost", transport_options=options(folder))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Connection]:
    Transport.global_state.clear()  # a process has one broker as a rule, and remembers its bindings
    with connect(tmp_path) as connection:
        yield connection


def test_messages_come_out_in_the_order_they_went_in(broker: Connection) -> None:
    queue = broker.SimpleQueue("default")
    for number in range(12):
        queue.put(number)
    taken = [queue.get(block=False) for _ in range(12)]
    assert [message.payload for message in taken] == list(range(12))
    with pytest.raises(Empty):
        queue.get(block=False)
    for message in taken:
        message.ack()
    queue.close()


def test_queues_whose_names_end_alike_are_kept_apart(broker: Connection) -> None:
    gpu, other = broker.SimpleQueue("gpu"), broker.SimpleQueue("not.gpu")
    other.put("for the other")
    with pytest.raises(Empty):
        gpu.get(block=False)
    assert other.get(block=False).payload == "for the other"
    gpu.close()
    other.close()


def test_a_half_written_message_is_not_seen(broker: Connection, tmp_path: Path) -> None:
    (tmp_path / "processed" / "1_x.default.msg.part").write_bytes(b'{"body": ')
    queue = broker.SimpleQueue("default")
    with pytest.raises(Empty):
        queue.get(block=False)
    queue.close()


def test_a_folder_that_is_gone_is_an_error_and_not_an_empty_queue(broker: Connection, tmp_path: Path) -> None:
    queue = broker.SimpleQueue("default")
    (tmp_path / "queue").rename(tmp_path / "gone")
    with pytest.raises((ChannelError, OperationalError)):
        queue.put("lost")
    with pytest.raises((ChannelError, OperationalError)):
        queue.get(block=False)
    queue.close()


def _write(folder: Path, writer: int) -> None:
    with connect(folder) as connection:
        queue = connection.SimpleQueue("default")
        for number in range(MESSAGES):
            queue.put([writer, number, "x" * 20_000])
        queue.close()


def _take(folder: Path, total: int, results: multiprocessing.Queue[list[tuple[int, int]]]) -> None:
    taken: list[tuple[int, int]] = []
    with connect(folder) as connection:
        queue = connection.SimpleQueue("default")
        try:
            while len(taken) < total:
                message = queue.get(timeout=3)
                message.ack()
                taken.append((message.payload[0], message.payload[1]))
        except Empty:
            pass
        queue.close()
    results.put(taken)


@pytest.mark.slow
def test_four_writers_and_four_takers_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[tuple[int, int]]] = spawn.Queue()
    total = 4 * MESSAGES
    crew = [spawn.Process(target=_write, args=(tmp_path, writer)) for writer in range(4)]
    crew += [spawn.Process(target=_take, args=(tmp_path, total, results)) for _ in range(4)]
    for process in crew:
        process.start()
    counted = Counter(place for _ in range(4) for place in results.get(timeout=120))
    for process in crew:
        process.join(60)
        assert process.exitcode == 0
    results.close()
    assert counted == Counter((writer, number) for writer in range(4) for number in range(MESSAGES))
