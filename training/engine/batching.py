"""Batches: rows name preferences by index; a forward pass holds each preference once a side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from training.engine.encoding import Encoded
from training.engine.layouts import Layout, TokenBatch, packed, padded, padded_tokens, part_of

Row = dict[str, int]
T = TypeVar("T")


@dataclass(frozen=True)
class Room:
    """What fits into a forward pass: so many preferences, and so many tokens unless one alone has more.

    In `sft` runs, whose preferences are one response each, so many responses.
    """

    preferences: int
    tokens: int


@dataclass
class PairCollator:
    """Turns rows {"strong": i[, "weak": j]} into unique preferences and where each row finds its own.

    Batch, n unique strong preferences, B rows:
        rows: the rows themselves
        strong: n preferences in the layout
        strong_of: int64 [B], places among the unique ones
        strong_ref: reference log-probabilities, float [n, 2] (chosen, rejected), nats
        lengths: completion tokens, float [n, 2]
        columns: by name, what is known of the strong preferences, float [n]

    `ids`: the preferences' names, [P]; empty: their places.
    """

    encoded: Sequence[Encoded | None]
    reference: Tensor  # [P, 2]
    columns: Mapping[str, Tensor]  # each [P]
    pad_id: int
    layout: Layout = padded
    ids: Sequence[str] = ()

    def __call__(self, rows: list[Row]) -> dict[str, Any]:
        strong, strong_of = unique([row["strong"] for row in rows])
        chosen = self.some(strong)
        return {
            "rows": rows,
            "strong": self.batch(strong),
            "strong_of": strong_of,
            "strong_ref": self.reference[strong],
            "lengths": torch.tensor([[one.chosen_length, one.rejected_length] for one in chosen]).float(),
            "columns": {name: values[strong] for name, values in self.columns.items()},
        }

    def name(self, place: int) -> str:
        """A preference's id."""
        return self.ids[place] if self.ids else str(place)

    def batch(self, places: Sequence[int]) -> TokenBatch:
        """These preferences in the layout."""
        return self.layout(self.some(places), self.pad_id)

    def some(self, places: Iterable[int]) -> list[Encoded]:
        """The encoded preferences at these places."""
        return [one for one in (self.encoded[place] for place in places) if one is not None]

    def passes(self, places: Iterable[int], room: Room) -> Iterator[list[int]]:
        """Preferences that go through the model together, in their order."""
        return fill(self.encoded, places, room, self.layout)


def unique(places: Sequence[int]) -> tuple[list[int], Tensor]:
    """Distinct values in order of first appearance, and for each entry its position among them (int64)."""
    order = list(dict.fromkeys(places))
    position = {place: index for index, place in enumerate(order)}
    return order, torch.tensor([position[place] for place in places], dtype=torch.long)


def rows_in(batch: dict[str, Any]) -> int:
    """How many rows a collated batch holds."""
    return len(batch["strong_of"])


def groups(items: Iterable[T], fits: Callable[[list[T]], bool]) -> Iterator[list[T]]:
    """Items in their order, as many together as fit; what does not fit alone is alone."""
    group: list[T] = []
    for item in items:
        if group and not fits([*group, item]):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def fill(
    encoded: Sequence[Encoded | None], places: Iterable[int], room: Room, layout: Layout
) -> Iterator[list[int]]:
    """Places in groups that fit into the room, in their order; each group has at least one.

    Args:
        encoded: all preferences; those that are None are passed over.
        layout: whose tokens count, padding included.
    """
    kept = [place for place in places if encoded[place] is not None]
    there = {place: one for place in kept if (one := encoded[place]) is not None}
    size = {place: part_of(one).tokens for place, one in there.items()} if layout is packed else {}

    def fits(group: list[int]) -> bool:
        if len(group) > room.preferences:
            return False
        if layout is packed:
            return sum(size[place] for place in group) <= room.tokens
        return padded_tokens([there[place] for place in group]) <= room.tokens

    return groups(kept, fits)


def by_length(encoded: Sequence[Encoded | None], wanted: Iterable[int]) -> list[int]:
    """Places that are encoded, those of like length together: less padding where order is free."""

    def longest(place: int) -> int:
        one = encoded[place]
        return max(len(one.chosen), len(one.rejected)) if one is not None else 0

    return sorted((place for place in wanted if encoded[place] is not None), key=longest)


def even_slice(items: list[T], place: int, count: int) -> list[T]:
    """Part `place` of `count` parts of about the same size, in order; some are empty where there are few."""
    return items[len(items) * place // count : len(items) * (place + 1) // count]


def even_parts(rows: list[Row], most: int) -> list[list[Row]]:
    """Rows in their order, in as few groups of at most `most` as there can be, all about as large."""
    count = -(-len(rows) // most)
    return [even_slice(rows, place, count) for place in range(count)]
