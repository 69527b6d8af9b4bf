"""What a run's model writes to held-out prompts: stored, scored under the reference, and judged."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.engine import base, generation, judging, memory, opponents, processes, reference
from training.engine.encoding import Ids, encode_prompt
from training.engine.errors import Cancelled, EngineError, OutOfMemory, SpecError
from training.engine.evaluations import duels
from training.engine.evaluations.heldout import Duels, Generated
from training.engine.generation_cache import GenerationCache, Response, folder, key
from training.engine.launched import first, sharded
from training.engine.progress import Progress
from training.engine.records import Messages, PopData
from training.engine.run import Run, device
from training.engine.spec import RunSpec

FILE = "generations.jsonl"
REFERENCE_FILE = "reference-generations.jsonl"
# Settings of training that say how the work is done, not what comes of it.
HOW = {
    "micro_batch",
    "max_tokens",
    "gradient_checkpointing",
    "target_offload",
    "logging_steps",
    "save_steps",
    "report_to",
}
Line = dict[str, Any]


def check(run: Run) -> None:
    """Look whether what responses are judged by and against is there, before anything slow begins.

    Raises:
        InputError: it is not.
    """
    asked = run.spec.evaluation
    if asked.generation.prompts and sharded():
        raise SpecError(
            "Nothing can be written by a model whose weights are divided among processes.",
            code="sharding_unsupported",
            hint="Leave evaluation.generation out; `pop-train evaluate --generate` does it afterwards.",
        )
    if asked.judge is not None:
        judging.check(asked.judge, run.folder)
    if asked.against is not None:
        _comparable(prompts_of(run.data, asked.generation.prompts), _others(run), asked.against)


def seen(run: Run, model: Any) -> dict[str, Any]:
    """Fields of `HeldOut`: what the model wrote and how it was judged; {} where nothing was asked for.

    The responses are in generations.jsonl before a judge looks at them, and those of the reference, which a
    person reads beside them, in a file of their own.

    Raises:
        Cancelled: somebody asked; what is written stays in the cache.
    """
    asked = run.spec.evaluation
    if not asked.generation.prompts:
        return {}
    prompts = prompts_of(run.data, asked.generation.prompts)
    ours = write(run, model, prompts, speaker(run.spec))
    theirs: list[Line] = []
    opponent = ""
    if run.spec.kind == "preference" or (asked.judge and asked.against is None):
        _score(run, model, ours, "logp")
        with reference_model(run, model) as of:
            _score(run, of, ours, "reference_logp")
            theirs = write(run, of, prompts, "reference")
            if asked.judge and asked.against is None:
                opponent = opponents.of_model(of)
    _store(run.folder / FILE, ours)
    _store(run.folder / REFERENCE_FILE, theirs)
    found: dict[str, Any] = {"generated": _generated(run, ours, theirs)} if ours else {}
    if asked.judge and first():
        found |= _judged(run, ours, theirs, opponent)
    return found


def prompts_of(data: PopData, count: int) -> dict[str, Messages]:
    """The first so many held-out prompts by their ids, each once: the same whatever model and order."""
    every = {
        duels.prompt_id(data.preferences[place].prompt): data.preferences[place].prompt
        for place in data.preferences_of("heldout")
    }
    return {name: every[name] for name in sorted(every)[:count]}


def speaker(spec: RunSpec) -> str:
    """Whose noise a run's model writes with: runs that were trained otherwise write independently of it."""
    told = spec.model_dump(mode="json", include={"kind", "method", "training"})
    told["training"] = {name: value for name, value in told["training"].items() if name not in HOW}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def write(run: Run, model: Any, prompts: Mapping[str, Messages], whose: str) -> list[Line]:
    """A model's responses, as lines of generations.jsonl; what the cache knows is not written again."""
    asked, tokenizer = run.spec.evaluation.generation, run.base.tokenizer
    encoded = {name: encode_prompt(tokenizer, prompt) for name, prompt in prompts.items()}
    wanted = generation.wanted(model, list(encoded.values()), asked)
    stops = generation.stop_tokens(model, tokenizer)
    space = asked.model_dump(mode="json", exclude={"prompts", "samples"}) | {
        "weights": reference.weights_hash(model),
        "precision": run.spec.training.precision,
        "device": device(),
        "stops": stops,
        "speaker": whose,
    }
    cache = GenerationCache(space, [folder(), run.folder / "cache" / "generations"])
    own = processes.share(wanted)
    known = cache.get(one.key for one in own)
    progress = Progress(run.events, "generate", len(own) - len(known), cached=len(known))

    def done(count: int) -> None:
        run.stop.check()
        progress.at(count)

    found = generation.sample(
        model,
        own,
        asked,
        stops=stops,
        pad_id=run.pad_id,
        speaker=whose,
        rows=run.room.preferences,
        tokens=run.room.tokens,
        bf16=run.bf16,
        known=known,
        done=done,
        each=cache.put,
    )
    for others in processes.gathered(found):
        found |= others
    _tell(run, cache, lacking=len(encoded) - len({one.prompt.tobytes() for one in wanted}))
    return list(_lines(tokenizer, prompts, encoded, found, asked.samples))


def _tell(run: Run, cache: GenerationCache, lacking: int) -> None:
    if cache.problem:
        message = f"The responses are not kept for other runs: {cache.problem}"
        run.events.write("warning", code="cache_not_written", message=message)
    if lacking > 0:
        message = f"{lacking} held-out prompts fill the model's positions: no response is written to them."
        run.events.write("warning", code="prompts_too_long", message=message)


def _lines(
    tokenizer: Any,
    prompts: Mapping[str, Messages],
    encoded: Mapping[str, Ids],
    found: Mapping[bytes, Response],
    samples: int,
) -> Iterator[Line]:
    for name, prompt in prompts.items():
        for number in range(samples):
            response = found.get(key(encoded[name].tolist(), number))
            if response is not None:
                yield {
                    "prompt_id": name,
                    "prompt": prompt,
                    "sample": number,
                    "response": tokenizer.decode(response.tokens, skip_special_tokens=True).strip(),
                    "tokens": list(response.tokens),
                    "ended": "eos" if response.ended else "length",
                    "logp": None,
                    "reference_logp": None,
                }


@contextlib.contextmanager
def reference_model(run: Run, model: Any) -> Iterator[Any]:
    """The model that training began with: adapters off, or loaded again while the other one waits."""
    if hasattr(model, "disable_adapter"):
        with model.disable_adapter():
            yield model
        return
    home = next(model.parameters()).device
    model.to("cpu")
    try:
        yield base.open_base(run.spec, run.folder, ()).model.to(device())
    finally:
        gc.collect()
        model.to(home)


def _score(run: Run, model: Any, lines: list[Line], name: str) -> None:
    """Write the log-probability of each response under the model into its line."""
    own = processes.share(range(len(lines)))
    pairs = []
    for place in own:
        line = lines[place]
        prompt = encode_prompt(run.base.tokenizer, line["prompt"])
        pairs.append((prompt, Response(tuple(line["tokens"]), line["ended"] == "eos")))
    found = generation.score(
        model,
        pairs,
        pad_id=run.pad_id,
        rows=run.room.preferences,
        tokens=run.room.tokens,
        bf16=run.bf16,
        done=lambda _: run.stop.check(),
    )
    for places in processes.gathered(dict(zip(own, found.tolist(), strict=True))):
        for place, value in places.items():
            lines[place][name] = value if np.isfinite(value) else None


def _generated(run: Run, lines: list[Line], theirs: list[Line]) -> Generated:
    asked = run.spec.evaluation.generation
    lengths = {(one["prompt_id"], one["sample"]): len(one["tokens"]) for one in theirs}
    numbers = {name: place for place, name in enumerate(dict.fromkeys(one["prompt_id"] for one in lines))}

    def column(name: str) -> Any:
        return np.asarray([np.nan if one[name] is None else one[name] for one in lines], np.float64)

    return Generated(
        prompts=np.asarray([numbers[one["prompt_id"]] for one in lines], np.int64),
        tokens=np.asarray([len(one["tokens"]) for one in lines], np.float64),
        ended=np.asarray([one["ended"] == "eos" for one in lines]),
        logps=column("logp"),
        reference_logps=column("reference_logp"),
        reference_tokens=np.asarray(
            [lengths.get((one["prompt_id"], one["sample"]), np.nan) for one in lines], np.float64
        ),
        own_samples=asked.temperature == 1 and asked.top_p == 1,
    )


def _judged(run: Run, ours: list[Line], theirs: list[Line], opponent: str) -> dict[str, Any]:
    """The duels, or why there are none: a judge that fails now must not cost the run its model.

    Raises:
        Cancelled: somebody asked.
    """
    try:
        return {"duels": _duels(run, ours, theirs, opponent)}
    except Cancelled:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a judge does, the model is trained
        code, why = _cause(error)
    finally:  # by now nothing holds the judge
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    run.events.write("warning", code=code, message=f"Nothing was judged: {why}")
    return {"unjudged": why}


def _cause(error: Exception) -> tuple[str, str]:
    """A code, and in a sentence what a judge failed of."""
    if isinstance(error, EngineError):
        return error.code, error.message
    said = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    if memory.is_shortage(error):
        return OutOfMemory.code, (
            f"Memory ran out: {said or type(error).__name__}. A smaller evaluation.batch_size takes less; "
            "`pop-train evaluate --judge` judges later."
        )
    return "judge_failed", f"The judge failed ({type(error).__name__}{f': {said}' if said else ''})."


def _duels(run: Run, ours: list[Line], theirs: list[Line], opponent: str) -> Duels:
    asked = run.spec.evaluation
    if asked.against is not None:
        theirs = _others(run)
        _comparable({one["prompt_id"]: one["prompt"] for one in ours}, theirs, asked.against)
    pairs = duels.matched(ours, theirs)
    progress = Progress(run.events, "judge", len({(p["prompt_id"], p["response"]) for q in pairs for p in q}))

    def done(count: int) -> None:
        run.stop.check()
        progress.at(count)

    judge = judging.open_judge(
        str(asked.judge), run.folder, rows=run.room.preferences, tokens=run.room.tokens, done=done
    )
    reference = f"reference {run.reference_name or run.spec.model.base}"
    found = duels.fought(pairs, judge, named=str(asked.judge), against=asked.against or reference)
    who = opponent or opponents.of_responses(their for _, their in pairs)
    return replace(
        found,
        opponent=who,
        sampling=opponents.sampling(asked.generation),
        judge_sha256=judge.sha256() if pairs else "",
    )


def _others(run: Run) -> list[Line]:
    """The responses that ours are judged against, every line looked at.

    Raises:
        SpecError: there are none, or a line is none.
    """
    named = str(run.spec.evaluation.against)
    place = run.folder / Path(named).expanduser()
    file = place / FILE if place.is_dir() else place
    try:
        return duels.read(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(
            f"There are no responses to judge against in {named}.",
            code="against_missing",
            hint="Name a run that wrote some (its generation.prompts above 0), or its generations.jsonl.",
        ) from error
    except ValueError as error:
        raise SpecError(f"{file} is no generations.jsonl: {error}.", code="against_missing") from error


def _comparable(prompts: Mapping[str, Messages], theirs: list[Line], named: str) -> None:
    """Raises SpecError where fewer than half of the prompts were answered by the others too."""
    shared = len(prompts.keys() & {one["prompt_id"] for one in theirs})
    if prompts and shared < duels.FEWEST * len(prompts):
        raise SpecError(
            f"{named} has responses to {shared} of the {len(prompts)} prompts: too few to judge against.",
            code="prompts_differ",
            hint="Both runs need the same dataset and split, and as many evaluation.generation.prompts.",
        )


def _store(file: Path, lines: list[Line]) -> None:
    """Write lines, whole or not at all; of several processes the first one does."""
    if not lines or not first():
        return
    part = file.with_suffix(".part")
    with part.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in lines)
    part.replace(file)
