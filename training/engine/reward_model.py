"""A reward model: a sequence classifier with one output, loaded and asked for rewards."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification
from transformers.utils import logging

from training.engine import base, sharding
from training.engine.batching import Room, by_length, fill
from training.engine.encoding import Encoded
from training.engine.errors import ModelError
from training.engine.layouts import padded
from training.engine.logps import evaluating

HEAD = "ForSequenceClassification"
SPARE = ("pad", "reserved", "unused")  # in the names of special tokens that no text has, the best first
NEW_PAD = "<|pop_pad|>"


def from_base(name: str, revision: str | None, kind: torch.dtype, seed: int) -> tuple[Any, Any]:
    """A base model with a new head of one output, and its tokenizer. The head follows from the seed.

    Where the tokenizer pads with the end token it gets another one for it, if there is one to spare.

    Raises:
        ModelError: the base cannot be loaded, or transformers has no classifier of its architecture.
    """
    tokenizer = base.load_tokenizer(name, revision)
    with torch.random.fork_rng(devices=[]), _no_report():
        torch.manual_seed(seed)
        model = base.load(
            AutoModelForSequenceClassification,
            name,
            revision,
            dtype=kind,
            use_safetensors=True,
            num_labels=1,
        )
    _pad_apart(tokenizer, model.get_input_embeddings().num_embeddings)
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    return base.without_dropout(model), tokenizer


def _pad_apart(tokenizer: Any, places: int) -> None:
    """Have texts padded with a token that does not end them, where there is one to spare.

    transformers reads a sequence at its last token that is no padding. Where the end token pads as well, that
    is the one before the end, and responses that end are read like those that were cut.

    Args:
        places: rows of the model's embedding; some have more than the tokenizer has tokens.
    """
    if tokenizer.pad_token_id != tokenizer.eos_token_id:
        return
    template = str(tokenizer.chat_template or "")
    known = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    spare = [one for sign in SPARE for one in sorted(known) if sign in one.lower() and one not in template]
    used = {tokenizer.eos_token, tokenizer.bos_token}
    spare = [one for one in spare if one not in used and tokenizer.convert_tokens_to_ids(one) < places]
    if spare:
        tokenizer.pad_token = spare[0]
    elif len(tokenizer) < places:
        tokenizer.add_special_tokens({"pad_token": NEW_PAD})
    elif tokenizer.unk_token is not None:
        tokenizer.pad_token = tokenizer.unk_token


def reads_end(tokenizer: Any) -> bool:
    """Whether a reward is read at the token that ends a response, not at the one before."""
    return bool(tokenizer.pad_token_id != tokenizer.eos_token_id)


@contextmanager
def _no_report() -> Iterator[None]:
    """Without transformers' report that the head is new, which is what is wanted here."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def head(model: Any) -> list[nn.Parameter]:
    """The weights of a classifier that are not its backbone's."""
    backbone = {id(one) for one in model.base_model.parameters()}
    return [one for one in model.parameters() if id(one) not in backbone]


def check(folder: Path) -> None:
    """Look whether a reward model is in `folder`, without its weights.

    Raises:
        ModelError: nothing there, or it is no classifier with one output: a head would be made up.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"There is no reward model in {folder}.",
            hint="Name the `model` folder of a finished reward_model run.",
        )
    config = base.load(AutoConfig, str(folder), None)
    if config.num_labels != 1 or not any(one.endswith(HEAD) for one in config.architectures or []):
        found = ", ".join(config.architectures or ["one without a name"])
        raise ModelError(
            f"The model in {folder} is no reward model, but {found} with {config.num_labels} outputs.",
            hint="Name the `model` folder of a finished reward_model run, not that of a policy.",
        )


def trained(folder: Path) -> tuple[Any, Any]:
    """A finished reward model and its tokenizer, from the `model` folder of its run.

    Raises:
        ModelError: there is none, see `check`.
    """
    check(folder)
    model = base.load(
        AutoModelForSequenceClassification,
        str(folder),
        None,
        dtype=torch.float32,
        use_safetensors=True,
    )
    return base.without_dropout(model), base.load_tokenizer(str(folder), None)


def files_hash(folder: Path) -> str:
    """SHA-256 over the weights' files in the order of their names; of one file, as `sha256sum` gives it."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as source:
            while chunk := source.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def sequences(encoded: Sequence[Encoded], pad_id: int) -> dict[str, Tensor]:
    """input_ids and attention_mask of n preferences, int64 [2n, L]: all chosen first, then all rejected."""
    batch = padded(encoded, pad_id)
    mask = batch.attention_mask
    return {"input_ids": batch.input_ids} | ({} if mask is None else {"attention_mask": mask})


def rewards(model: Any, sequences: Mapping[str, Tensor], *, bf16: bool) -> Tensor:
    """One reward a sequence: fp32, shape [S]. Read at its last token, or before its end, see `reads_end`."""
    ids = sequences["input_ids"]
    with torch.autocast(ids.device.type, torch.bfloat16, enabled=bf16, cache_enabled=False):
        logits = model(input_ids=ids, attention_mask=sequences["attention_mask"], use_cache=False).logits
    flat: Tensor = logits.float().squeeze(-1)
    return flat


def score(
    model: Any,
    encoded: Sequence[Encoded | None],
    wanted: Collection[int],
    *,
    pad_id: int,
    room: Room,
    bf16: bool,
    done: Callable[[int], None] = lambda _: None,
    each: Callable[[list[int], Tensor], None] = lambda _places, _found: None,
) -> Tensor:
    """Rewards of the wanted preferences.

    Args:
        room: what fits into a forward pass.
        each: called with what a forward pass gave: places, and [n, 2] on the CPU.
        done: called with the number of preferences scored so far (it may raise to stop).

    Returns:
        fp32 [P, 2] (chosen, rejected), on the CPU; NaN where a preference was not wanted or does not fit.
    """
    device = next(model.parameters()).device
    result = torch.full((len(encoded), 2), torch.nan)
    count = 0
    with torch.no_grad(), evaluating(model):
        passes = fill(encoded, by_length(encoded, wanted), room, padded)
        for places, own in sharding.turns(passes, lambda: by_length(encoded, range(len(encoded)))[:1]):
            done(count)
            pairs = [one for one in (encoded[place] for place in places) if one is not None]
            batch = {name: part.to(device) for name, part in sequences(pairs, pad_id).items()}
            found = torch.stack(rewards(model, batch, bf16=bf16).chunk(2), dim=1).cpu()
            if not own:
                continue
            result[places] = found
            each(places, found)
            count += len(places)
    done(count)
    return result
