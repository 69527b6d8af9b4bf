"""Who judged, and who wrote what ours was set against: told by what it is, not by what it is called."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from training.engine import sharding
from training.engine.evaluation_spec import GenerationSpec
from training.engine.reference import UNTOLD, weights_hash

ADAPTERS = ("lora_", "modules_to_save")  # how the parts of a name begin that an adapter brought
WRAPPED = ("base_layer", "original_module")  # parts of a name behind which an adapter put the model's own
PASSING = ("truncation", "padding")  # of a tokenizer: what its last call asked for


def of_model(model: Any) -> str:
    """SHA-256 of a model's weights without adapters, rounded to bf16, and of its config.

    As `reference.weights_hash`, but the same for one model under LoRA and without, in fp32 and in bf16: a run
    that trains all weights and one that trains adapters have the same reference.
    """
    own = model.get_base_model() if hasattr(model, "get_base_model") else model
    settings = {
        name: value
        for name, value in own.config.to_dict().items()
        if name not in UNTOLD and not name.endswith("_token_id")
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, tensor in sorted(_own(own.state_dict())):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        rounded = sharding.whole(tensor).to("cpu", torch.bfloat16).contiguous()
        digest.update(rounded.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def of_judge(model: Any, reading: Any) -> str:
    """SHA-256 of a judge: its weights as they are stored, its config, and how it reads a conversation.

    Not rounded, as `of_model` is: a judge in fewer bits gives other rewards.

    Args:
        reading: all that decides which tokens it sees, as JSON; see `of_tokenizer`.
    """
    told = json.dumps(reading, sort_keys=True, default=str)
    return hashlib.sha256(f"{weights_hash(model)} {told}".encode()).hexdigest()


def of_tokenizer(tokenizer: Any) -> dict[str, Any]:
    """What of a tokenizer decides which tokens a conversation becomes, as JSON."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    known = json.loads(backend.to_str()) if backend is not None else {"vocabulary": tokenizer.get_vocab()}
    kept = {name: value for name, value in known.items() if name not in PASSING}
    names = tokenizer.special_tokens_map
    return {"tokenizer": kept, "template": tokenizer.chat_template, "special": {**names}}


def of_responses(lines: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 of responses that are there already, as lines of generations.jsonl, in any order."""
    told = sorted([one["prompt_id"], one["sample"], one["response"]] for one in lines)
    return hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()


def sampling(asked: GenerationSpec) -> str:
    """How responses were drawn, in words; the seed is left out, which changes no distribution."""
    return (
        f"temperature {asked.temperature:g}, top-p {asked.top_p:g}, at most {asked.max_new_tokens} tokens, "
        f"responses a prompt: {asked.samples}"
    )


def _own(state: Mapping[str, torch.Tensor]) -> Iterable[tuple[str, torch.Tensor]]:
    """The tensors that are no adapter's, by the names they have without one."""
    for name, tensor in state.items():
        parts = name.split(".")
        if not any(part.startswith(ADAPTERS) for part in parts):
            yield ".".join(part for part in parts if part not in WRAPPED), tensor
