"""Preferences and their simulated labels as a frozen PoP dataset, in the product's own form."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from annotation import sampling
from annotation.exports import canonical
from annotation.imports.records import Message
from annotation.quality import inference
from training.study import corpus, people
from training.study.corpus import Item
from training.study.people import Answer, Labelling
from training.study.settings import Corpus, Data, Labels
from training.study.world import Prompt, Sample, World, preferences

LABELS = "labels.json"
HELDOUT_K = 1  # held-out comparisons a held-out preference
INFERRED_AT_LEAST = 0.9  # probability of an inferred row
INFERRED_EACH = 2  # inferred rows a strong preference
MOST_LABELS = 1 << 40


def items(seed: int, data: Data | Corpus) -> tuple[list[Item], list[Item]]:
    """The training preferences of a seed's world or of a corpus, and those that are held out."""
    if isinstance(data, Corpus):
        return corpus.items(data, data.splits[0], data.pairs), corpus.items(
            data, data.splits[1], data.heldout
        )
    train, heldout = samples(seed, data)
    return [_item(one) for one in train], [_item(one) for one in heldout]


def _item(one: Sample) -> Item:
    chosen, rejected = ([Message(role="assistant", content=text)] for text in (one.chosen, one.rejected))
    return Item([Message(role="user", content=one.prompt.text)], chosen, rejected, one.graded, one.margin)


def samples(seed: int, data: Data) -> tuple[list[Sample], list[Sample]]:
    """The training and the held-out preferences of a seed's world. The latter are of any quality."""
    world = World(seed)
    train = preferences(world, data.pairs, data.noise, 10, data.quality)
    return train, preferences(world, data.heldout, data.noise, 11)


def prompts(seed: int, count: int) -> list[Prompt]:
    """Different prompts to write to, in an order of their own."""
    world, draws = World(seed), np.random.default_rng([seed, 12])
    found: dict[Prompt, None] = {}
    while len(found) < count:
        found.setdefault(world.prompt(draws))
    return list(found)


def labelled(seed: int, train: Sequence[Item | Sample], labels: Labels) -> Labelling:
    """Ask simulated people, as the settings say."""
    asked = Labelling(
        [one.margin for one in train],
        error=labels.error,
        seed=seed,
        k=labels.k,
        reuse=labels.reuse,
        gap=labels.gap,
        overlap=labels.overlap,
    )
    stop = MOST_LABELS if labels.budget is None else round(labels.budget * len(train))
    for _ in people.play(labels.strategy, asked):
        if asked.labels >= stop:
            break
    return asked


def inferred(asked: Labelling) -> list[Answer]:
    """Rows for pairs that nobody compared, as a freeze makes them: from the answers, at most two each."""
    answers = asked.answers
    pairs = [(one.stronger, one.weaker) for one in answers] + asked.ties
    wins = [1.0] * len(answers) + [0.5] * len(asked.ties)
    named = np.array(pairs, np.int32).reshape(-1, 2)
    turned = named[:, 0] > named[:, 1]
    seen = inference.Compared(
        named.min(axis=1),
        named.max(axis=1),
        np.arange(len(pairs), dtype=np.int32),
        np.where(turned, 1.0 - np.array(wins), wins),
    )
    words = np.random.default_rng([asked.seed, 14]).integers(0, 2**64, asked.size, np.uint64)
    found = inference.infer(
        lambda members: words[members], asked.size, seen, at_least=INFERRED_AT_LEAST, most=INFERRED_EACH
    )
    columns = zip(*(column.tolist() for column in found), strict=True)
    return [Answer(one, other, sure, inferred=True) for one, other, sure in columns]


def twisted(rows: Sequence[Answer], size: int, labels: Labels, seed: int) -> list[Answer]:
    """The rows of a control; a shuffle never pairs a preference with itself."""
    draws = np.random.default_rng([seed, 13])
    if labels.twist == "reversed":
        return [replace(one, stronger=one.weaker, weaker=one.stronger) for one in rows]
    if labels.twist == "shuffled_strengths":
        other = draws.permutation(size).tolist()
        return [replace(one, stronger=other[one.stronger], weaker=other[one.weaker]) for one in rows]
    if labels.twist == "shuffled_partners":
        order = draws.permutation(len(rows)).tolist()
        pairs = [(one, rows[place].weaker) for one, place in zip(rows, order, strict=True)]
        return [replace(one, weaker=weaker) for one, weaker in pairs if weaker != one.stronger]
    return list(rows)


def freeze(folder: Path, seed: int, data: Data | Corpus, labels: Labels) -> dict[str, Any]:
    """Write the dataset, and last `LABELS` beside it.

    Returns:
        {"pairs": training preferences, "labels": given, "rows": made of them, "rows_right": the share whose
        stronger side truly is}.
    """
    train, heldout = items(seed, data)
    asked = labelled(seed, train, labels)
    anchored = sampling.strategy(labels.strategy).anchored
    rows = people.rows(asked, each=labels.k if anchored else None)
    rows = twisted(rows, len(train), labels, seed)
    if labels.twist == "inferred":
        rows += inferred(asked)
    right = [asked.truth[one.stronger] > asked.truth[one.weaker] for one in rows]
    told: dict[str, Any] = {"pairs": len(train), "labels": asked.labels}
    told |= {"rows": len(rows), "rows_right": float(np.mean(right))}
    every = [*_preferences(train, "train"), *_preferences(heldout, "heldout")]
    pairs = [*_rows(rows, "train"), *_rows(_asked_of(heldout, seed), "heldout")]
    folder.mkdir(parents=True, exist_ok=True)
    canonical.write(
        folder,
        preferences=sorted(every, key=lambda one: one["id"]),
        rows=sorted(pairs, key=lambda one: (one["strong_id"], one["weak_id"])),
        about={"study": {"seed": seed, "data": asdict(data), "labels": asdict(labels)}},
    )
    (folder / LABELS).write_text(json.dumps(told), encoding="utf-8")
    return told


def _asked_of(heldout: Sequence[Item], seed: int) -> list[Answer]:
    """What people who never err say of held-out preferences, in random pairs."""
    asked = labelled(seed, heldout, Labels(k=HELDOUT_K))
    return list(islice(asked.answers, HELDOUT_K * len(heldout)))


def _preferences(found: Sequence[Item], split: str) -> list[dict[str, Any]]:
    return [
        {
            "id": _id(split, number),
            "split": split,
            "prompt": one.prompt,
            "chosen": one.chosen,
            "rejected": one.rejected,
            "score_chosen": one.scores[0],
            "score_rejected": one.scores[1],
        }
        for number, one in enumerate(found)
    ]


def _rows(rows: Sequence[Answer], split: str) -> list[dict[str, Any]]:
    return [
        {
            "strong_id": _id(split, one.stronger),
            "weak_id": _id(split, one.weaker),
            "split": split,
            "confidence": one.confidence,
            "provenance": "inferred" if one.inferred else "label",
        }
        for one in rows
    ]


def _id(split: str, number: int) -> str:
    return f"{split}-{number:07}"
