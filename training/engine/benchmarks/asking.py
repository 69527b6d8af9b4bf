"""A judge asked about pairs of outputs: requests, what they cost, answers as annotations. No torch here."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

from training.engine.benchmarks import verdicts
from training.engine.benchmarks.endpoint import HINT, Endpoint, QuestionRefused, Stopped
from training.engine.benchmarks.verdict_cache import VerdictCache
from training.engine.benchmarks.verdicts import Pair, Prompt, Verdict
from training.engine.errors import EngineError, JudgeFailed
from training.engine.evaluations.alpaca_eval import DRAW

TRIES = 3  # with an answer that names neither output
BYTES = 4  # of UTF-8 a token: what English text takes, about
FRAME = 8  # tokens around a message
MOST_TOKENS = 10**9  # of one request, by an endpoint that can count
IN_A_ROW = 10  # questions refused one after another: then it is not the questions
LOOK = 0.5  # seconds, at most, until somebody who wants to stop is heard


@dataclass(frozen=True)
class Way:
    """How a judge is asked. `settings`: of the request, beside model and messages; `both`: in both orders."""

    model: str
    prompt: Prompt = field(default_factory=Prompt)
    settings: Mapping[str, Any] = field(default_factory=lambda: dict(verdicts.SETTINGS))
    both: bool = False
    seed: int = 0

    def orders(self, pair: Pair) -> tuple[bool, ...]:
        """Whether the model's output comes first, for each time a pair is asked about."""
        if pair.same:
            return ()
        return (False, True) if self.both else (verdicts.switched(pair.instruction, self.seed),)

    def body(self, pair: Pair, *, swap: bool) -> dict[str, Any]:
        return verdicts.body(pair, self.prompt, self.model, self.settings, swap=swap)

    def requests(self, pairs: Iterable[Pair]) -> dict[str, dict[str, Any]]:
        """Everything to ask, once, by its key."""
        bodies = (self.body(pair, swap=swap) for pair in pairs for swap in self.orders(pair))
        return {verdicts.key(one): one for one in bodies}


@dataclass(frozen=True)
class Prices:
    """Money for a million tokens of questions and of answers; None: not known."""

    asked: float | None = None
    answered: float | None = None

    def of(self, tokens: tuple[int, int]) -> float | None:
        """Money, if a price is known; the other one counts as 0."""
        if self.asked is None and self.answered is None:
            return None
        return (tokens[0] * (self.asked or 0) + tokens[1] * (self.answered or 0)) / 1e6


def weigh(body: Mapping[str, Any]) -> tuple[int, int]:
    """About how many tokens a question has, and how many its answer may have."""
    sizes = (len(one["content"].encode()) for one in body["messages"])
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or 1
    return sum(FRAME + math.ceil(size / BYTES) for size in sizes), limit if isinstance(limit, int) else 1


def together(tokens: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Sums of questions and of answers."""
    found = [0, 0]
    for one in tokens:
        found[0] += one[0]
        found[1] += one[1]
    return found[0], found[1]


class Asking:
    """Requests on their way; leaving it waits for those that an endpoint has already.

    `found`: answers so far. `spent`: tokens so far, those that nobody counted by `weigh`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        cache: VerdictCache,
        *,
        threads: int = 1,
        prices: Prices | None = None,
        limit: float | None = None,
        known: Mapping[str, Verdict] = MappingProxyType({}),
        told: Callable[[Asking], None] = lambda _: None,
        heed: Callable[[], None] = lambda: None,
    ) -> None:
        """`limit`: money that is not to be passed, but for requests that are under way then.

        `known`: answers from before, of whom some may be asked for again.
        `heed` is called every now and then while answers are waited for; what it raises ends the asking.
        """
        self.found: dict[str, Verdict] = {}
        self.spent = (0, 0)
        self._endpoint, self._cache, self._told, self._heed = endpoint, cache, told, heed
        self._prices, self._limit = prices or Prices(), limit
        self._alone = threading.Lock()
        self._answered = any(one.by != verdicts.REFUSED for one in known.values())
        self._before = {key for key, one in known.items() if one.by == verdicts.REFUSED}
        self._in_a_row = 0
        self._refusal: QuestionRefused | None = None  # the first
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="judge")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def cost(self) -> float | None:
        return self._prices.of(self.spent)

    def all(self, requests: Mapping[str, Mapping[str, Any]]) -> dict[str, Verdict]:
        """Answers by key. Each is stored as it comes, so whatever stops this, the rest can be asked later.

        A question that is refused while others are answered is one without a preference.

        Raises:
            JudgeRefused, JudgeFailed: the first that happened; nothing more is asked then. Refused questions
                are that where nothing was ever answered, or `IN_A_ROW` of them are, not counting those that
                were refused before.
        """
        left = {self._pool.submit(self._one, key, body) for key, body in requests.items()}
        try:
            while left:
                self._heed()
                done, left = wait(left, timeout=LOOK, return_when=FIRST_COMPLETED)
                for one in done:
                    with suppress(Stopped):  # because of another, which says why
                        one.result()
        except BaseException:  # Ctrl-C too
            self._endpoint.stop()
            self._pool.shutdown(wait=False, cancel_futures=True)
            raise
        if self._refusal is not None and not self._answered:
            raise self._refusal
        return self.found

    def _one(self, key: str, body: Mapping[str, Any]) -> None:
        try:
            verdict = self._heard(key, body)
        except EngineError:
            self._endpoint.stop()  # at once: the next request would be on its way before anybody heard
            raise
        self._cache.put(key, verdict)
        with self._alone:
            self.found[key] = verdict
            self._told(self)

    def _heard(self, key: str, body: Mapping[str, Any]) -> Verdict:
        """What the judge says, or that it will not. Raises QuestionRefused where that is of all questions."""
        try:
            verdict = self._verdict(body)
        except QuestionRefused as error:
            with self._alone:
                self._refusal = self._refusal or error
                self._in_a_row += not (self._answered and key in self._before)
                if self._in_a_row >= IN_A_ROW:
                    raise
            return Verdict(None, verdicts.REFUSED, error.said[: verdicts.SAID], (0, 0))
        with self._alone:
            self._answered, self._in_a_row = True, 0
        return verdict

    def _verdict(self, body: Mapping[str, Any]) -> Verdict:
        tokens = (0, 0)
        for _ in range(TRIES):
            self._afford()
            answer = self._endpoint.ask(body)
            choice = answer["choices"][0]
            tokens = together((tokens, now := used(answer, body)))
            with self._alone:
                self.spent = together((self.spent, now))
            preference, by = verdicts.read(choice)
            if preference is not None:
                break
        text = self._endpoint.clear(verdicts.said(choice))[: verdicts.SAID]
        return Verdict(preference, by, text, tokens)

    def _afford(self) -> None:
        cost = self.cost
        if self._limit is not None and cost is not None and cost >= self._limit:
            said = f"{cost:.4g} was spent, which is all of --max-cost."
            raise JudgeFailed(said, code="judge_cost", hint=HINT)


def used(answer: Mapping[str, Any], body: Mapping[str, Any]) -> tuple[int, int]:
    """Tokens as the endpoint counts them, or about."""
    try:
        usage = answer["usage"]
        asked, answered = int(usage["prompt_tokens"]), int(usage["completion_tokens"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return weigh(body)
    return (
        (asked, answered) if 0 <= min(asked, answered) <= max(asked, answered) <= MOST_TOKENS else weigh(body)
    )


def annotated(pairs: Sequence[Pair], way: Way, found: Mapping[str, Verdict]) -> list[dict[str, Any]]:
    """What a judge said, in the package's layout; `preference` is the mean of both orders if both were asked.

    A row has also `orders`, for each time the pair was asked about: whether the model's output came first
    (`switched`), the `preference` from the baseline, 1, to the model, 2, and what it was read from (`by`).
    """
    return [_annotation(one, way, found) for one in pairs]


def _annotation(pair: Pair, way: Way, found: Mapping[str, Verdict]) -> dict[str, Any]:
    orders: list[dict[str, Any]] = []
    for swap in way.orders(pair):
        verdict = found[verdicts.key(way.body(pair, swap=swap))]
        given = verdicts.oriented(verdict.preference, swap=swap)
        orders.append({"switched": swap, "preference": given, "by": verdict.by, "said": verdict.said})
    return {
        **({"dataset": pair.baseline["dataset"]} if "dataset" in pair.baseline else {}),
        "instruction": pair.instruction,
        "output_1": pair.baseline["output"],
        "generator_1": pair.baseline["generator"],
        "output_2": pair.model["output"],
        "generator_2": pair.model["generator"],
        "annotator": way.model,
        "preference": _mean([one["preference"] for one in orders]),
        "orders": orders,
    }


def _mean(given: Sequence[float | None]) -> float | None:
    """None where one order is missing: the other alone would be of one place."""
    known = [one for one in given if one is not None]
    if len(known) < len(given):
        return None
    return sum(known) / len(known) if known else DRAW


def contradictions(rows: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Pairs of which each order prefers another output, and pairs that were answered in both orders."""
    both = [
        [one["preference"] - DRAW for one in row["orders"]]
        for row in rows
        if len(row["orders"]) == 2 and row["preference"] is not None
    ]
    return sum(first * second < 0 for first, second in both), len(both)
