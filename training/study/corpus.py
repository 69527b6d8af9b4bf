"""Real preferences with scores, as the study takes them. No torch here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from annotation.imports.layouts import recognise
from annotation.imports.records import Message, Record, RowProblem
from training.study.settings import Corpus


@dataclass(frozen=True)
class Item:
    """A preference as a dataset has it.

    Attributes:
        scores: of the chosen and the rejected response.
        margin: by how much the chosen response is better to those who label.
    """

    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]
    scores: tuple[float, float]
    margin: float


class Unreadable(Exception):
    """A corpus that cannot be had, or that has no scored preferences; the message says which."""


def items(corpus: Corpus, split: str, most: int | None) -> list[Item]:
    """The preferences of a split that have scores, from its beginning, none twice.

    Raises:
        Unreadable: see there.
    """
    found = list(islice(_scored(corpus, split), most))
    if not found:
        raise Unreadable(
            f"{corpus.source}, split {split}, has no preferences with score_chosen and score_rejected."
        )
    return found


def _scored(corpus: Corpus, split: str) -> Iterator[Item]:
    seen: set[str] = set()
    for number, row in enumerate(_rows(corpus.source, split), start=1):
        record = _record(row, number)
        if record is None or record.content_hash in seen:
            continue
        seen.add(record.content_hash)
        better, worse = record.score_chosen, record.score_rejected
        if better is not None and worse is not None:
            yield Item(record.prompt, record.chosen, record.rejected, (better, worse), better - worse)


def _record(row: Mapping[str, Any], number: int) -> Record | None:
    """As an import reads a row; None where that would refuse it."""
    try:
        return recognise(row, number)
    except RowProblem:
        return None


def _rows(source: str, split: str) -> Iterator[Mapping[str, Any]]:
    from datasets import load_dataset  # late: seconds

    try:
        yield from load_dataset(source, split=split, streaming=True)
    except Exception as error:  # a loader over the network may raise anything
        words = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Unreadable(f"{source}, split {split}, could not be read: {words}") from error
