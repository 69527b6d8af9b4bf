"""Seeded permutations of 0 … n − 1 that answer "what stands at place i?" in constant time and memory.

A balanced Feistel network permutes the smallest 4^h ≥ n; whatever falls outside 0 … n − 1 is sent through
again (cycle walking; Black & Rogaway, CT-RSA 2002), which leaves a bijection of 0 … n − 1. The domain is at
most four times n, so that four passes are the expected worst.
"""

from __future__ import annotations

from hashlib import blake2b
from math import isqrt

ROUNDS = 8


class Permutation:
    """A bijection of 0 … n − 1 fixed by `seed`."""

    def __init__(self, n: int, seed: str) -> None:
        """Raises ValueError when `n` is below 1."""
        if n < 1:
            raise ValueError("a permutation needs at least one element")
        self.n = n
        self._half = max(1, ((n - 1).bit_length() + 1) // 2)  # bits of each Feistel half
        self._mask = (1 << self._half) - 1
        self._key = blake2b(seed.encode(), digest_size=32).digest()

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, place: int) -> int:
        """The element at `place`. Raises IndexError outside 0 … n − 1."""
        self._check(place)
        element = self._forward(place)
        while element >= self.n:
            element = self._forward(element)
        return element

    def place_of(self, element: int) -> int:
        """Where `element` stands: the inverse of indexing. Raises IndexError outside 0 … n − 1."""
        self._check(element)
        place = self._backward(element)
        while place >= self.n:
            place = self._backward(place)
        return place

    def _check(self, index: int) -> None:
        if not 0 <= index < self.n:
            raise IndexError(f"{index} is not in 0 … {self.n - 1}")

    def _round(self, number: int, half: int) -> int:
        size = (self._half + 7) // 8
        message = bytes([number]) + half.to_bytes(size, "big")
        return int.from_bytes(blake2b(message, key=self._key, digest_size=size).digest(), "big") & self._mask

    def _forward(self, value: int) -> int:
        left, right = value >> self._half, value & self._mask
        for number in range(ROUNDS):
            left, right = right, left ^ self._round(number, right)
        return left << self._half | right

    def _backward(self, value: int) -> int:
        left, right = value >> self._half, value & self._mask
        for number in reversed(range(ROUNDS)):
            left, right = right ^ self._round(number, left), left
        return left << self._half | right


def pair_count(n: int) -> int:
    """Unordered pairs of `n` things: n(n − 1)/2."""
    return n * (n - 1) // 2


def unrank_pair(rank: int) -> tuple[int, int]:
    """The pair (low, high), low < high, of this rank: (0,1), (0,2), (1,2), (0,3), …

    Ranks do not depend on how many things there are: pairs of the first n fill 0 … n(n − 1)/2 − 1.

    Raises:
        ValueError: a negative rank.
    """
    if rank < 0:
        raise ValueError("ranks start at 0")
    high = (1 + isqrt(8 * rank + 1)) // 2
    return rank - pair_count(high), high


def rank_pair(low: int, high: int) -> int:
    """The rank of the pair: the inverse of `unrank_pair`.

    Raises:
        ValueError: unless 0 ≤ low < high.
    """
    if not 0 <= low < high:
        raise ValueError("a pair is 0 ≤ low < high")
    return pair_count(high) + low
