"""The benchmark's own PostgreSQL database: made, filled by COPY, brought back to the start for each case."""

from __future__ import annotations

import hashlib
import json
import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg
from psycopg import sql

TEXT = (
    "the a model answer that and of to in is prefers shorter clear reason because user asks for help with "
    "code water light number method careful example step first then result while often rarely paper table "
    "question reply tone polite exact wrong right better value plan city history music garden engine"
)
WORDS = TEXT.split()
KINDS = {
    "prompt": ("user", 200, 600),
    "chosen": ("assistant", 700, 1800),
    "rejected": ("assistant", 600, 1600),
}
BODIES = 2000  # of each kind; every preference adds its own number, so that no two texts are the same
COLUMNS = (
    "project_id, split, number, content_hash, prompt, chosen, rejected, external_id, source, exclusion_reason"
)
# Cascades to everything that names a comparison, memberships among them, but not to a preference.
EMPTIED = (
    "annotation_comparison, annotation_anchor, annotation_tally, annotation_assignment, annotation_label"
)


@contextmanager
def made(server: str) -> Iterator[str]:
    """The URL of a new database on this server; dropped at the end, whoever is still connected."""
    name = f"pop_bench_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield f"{server.rsplit('/', 1)[0]}/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def fill(url: str, project: int, count: int) -> None:
    """Take every project out and put `count` preferences into this one, each tenth of them held out."""
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.cursor().copy(f"COPY annotation_preference ({COLUMNS}) FROM STDIN") as copy:
            for line in _lines(project, count):
                copy.write(line)
        connection.execute("VACUUM ANALYZE annotation_preference")


def start_again(url: str) -> None:
    """No comparison, label or member is left; the preferences stay as they are."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {EMPTIED} CASCADE")
        connection.execute("UPDATE annotation_pool SET epoch = 0, epoch_size = 0, counter = 0")
        connection.execute("VACUUM ANALYZE annotation_pool")
        connection.execute("CHECKPOINT")  # the load before it is not to be written out during the case


def over_collected(url: str) -> int:
    """From the rows: labels beyond what a comparison needs, second labels of one person, wins beyond k."""
    beyond = """
    SELECT coalesce(sum(greatest(given - needed, 0)), 0) + coalesce(sum(given - people), 0) FROM (
        SELECT c.needed, count(l.id) AS given, count(DISTINCT l.annotator_id) AS people
        FROM annotation_comparison c JOIN annotation_label l ON l.comparison_id = c.id
        WHERE l.is_current AND l.kind = 'work' GROUP BY c.id, c.needed) AS counted
    """
    wins = """
    SELECT coalesce(sum(greatest(won - quota, 0)), 0) FROM (
        SELECT a.quota, count(c.id) AS won FROM annotation_anchor a
        JOIN annotation_comparison c ON c.credited_id = a.id GROUP BY a.id, a.quota) AS counted
    """
    return _number(url, beyond) + _number(url, wins)


def stored_labels(url: str) -> int:
    return _number(url, "SELECT count(*) FROM annotation_label WHERE is_current")


def place(number: int) -> tuple[str, int]:
    """The split of the preference with this number, and its number there."""
    whole, rest = divmod(number, 10)
    return ("heldout", whole) if rest == 9 else ("train", whole * 9 + rest)


def _number(url: str, query: LiteralString) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _lines(project: int, count: int) -> Iterator[bytes]:
    draw = random.Random(count)
    bodies = {kind: [_body(draw, low, high) for _ in range(BODIES)] for kind, (_, low, high) in KINDS.items()}
    for number in range(count):
        split, position = place(number)
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        texts = "\t".join(
            f'[{{"role": "{role}", "content": "{number}: {draw.choice(bodies[kind])}"}}]'
            for kind, (role, _, _) in KINDS.items()
        )
        yield f"{project}\t{split}\t{position}\t{digest}\t{texts}\t\t\t\n".encode()


def _body(draw: random.Random, low: int, high: int) -> str:
    """Markdown of so many characters, escaped for JSON and for COPY."""
    length, parts = draw.randint(low, high), [""]
    while sum(map(len, parts)) < length:
        sentence = " ".join(draw.choices(WORDS, k=draw.randint(6, 16))).capitalize()
        parts.append(draw.choice(("{}. ", "{}.\n\n", "{}. **Note** this. ", "\n- {}\n")).format(sentence))
    return json.dumps("".join(parts)[:length])[1:-1].replace("\\", "\\\\")
