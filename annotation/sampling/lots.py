"""Which of the comparisons a person gets are checks: by a keyed hash, which only its key foretells."""

from __future__ import annotations

from hashlib import blake2b

BITS = 64


def lot(seed: int, purpose: str, person: int, served: int) -> float:
    """A number in 0 … 1, even and independent over persons and turns, the same each time it is asked for."""
    key = blake2b(str(seed).encode(), digest_size=32).digest()
    message = f"{purpose}/{person}/{served}".encode()
    drawn = blake2b(message, key=key, digest_size=BITS // 8).digest()
    return int.from_bytes(drawn, "big") / float(1 << BITS)


def turn(seed: int, person: int, served: int, gold_percent: int, retest_percent: int) -> str:
    """What the person's next comparison is: "gold", "retest" or "work", each at its share in the long run."""
    drawn = 100 * lot(seed, "turn", person, served)
    if drawn < gold_percent:
        return "gold"
    return "retest" if drawn < gold_percent + retest_percent else "work"


def side(seed: int, person: int, assignment: int) -> str:
    """ "first" or "second", evenly, the same each time for this assignment of this person."""
    return "first" if 2 * lot(seed, "anchor", person, assignment) < 1 else "second"
