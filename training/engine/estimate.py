"""What a run will take, before it runs: steps, sequences, operations, memory, disk. No torch here.

A spec, the model's `Shape` and counts of the data go in, numbers come out; docs/engine.md ("Memory and disk")
explains them. Weights, gradients, moments, target and checkpoint are exact; activations and operations are
arithmetic on the model's shape, within some ten percent for the families in `shapes`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from training.engine import catalog
from training.engine.shapes import Shape
from training.engine.spec import RunSpec, TrainingSpec

WIDE, NARROW = 4, 2  # bytes of fp32 and bf16
TILE, PIECE = 1 << 24, 2048  # logits that are kept, and tokens of the vocabulary in a piece: see `heads`
PIECE_COPIES = 3  # logits of a piece, their exponentials, its gradient


@dataclass(frozen=True)
class Counts:
    """The data of a run, as far as it is trained on, scored or evaluated.

    `strong`, `weak`: distinct preferences on each side of the training rows; of an sft run, `strong` counts
    chosen responses. `strong_passes`, `weak_passes`: how many of them an epoch sends through a model, once
    for each step that names them (of a reward model, at most). `scored`: those that the reference scores.
    `heldout`: those that are evaluated.
    """

    rows: int
    strong: int
    weak: int
    strong_passes: int
    weak_passes: int
    scored: int
    heldout: int


@dataclass(frozen=True)
class Tokens:
    """Tokens of one pass over the data; in preference runs a prompt once for both of its responses.

    `squares`: Σ length², which attention costs. `longest`: tokens of the longest sequence.
    """

    policy: int
    target: int
    scored: int
    heldout: int
    completions: int
    squares: int
    longest: int


@dataclass(frozen=True)
class Batch:
    """Steps of a run and the rows of each. `last_rows`: rows of the last step of an epoch.

    `pass_preferences` (of an sft run, responses), `pass_tokens`: what a forward pass holds at most.
    """

    rows_per_step: int
    pass_preferences: int
    pass_tokens: int
    steps: int
    steps_per_epoch: int
    last_rows: int


@dataclass(frozen=True)
class Cost:
    """Sequences through the model, in units F of one sequence forward; a backward pass is 2 F.

    `rewards`: those through the reward model that a preference run names. Its F is another: not in `total`.
    """

    policy: float
    target: float
    reference: float
    evaluation: float
    rewards: float = 0

    @property
    def total(self) -> float:
        return self.policy + self.target + self.reference + self.evaluation


@dataclass(frozen=True)
class Memory:
    """Bytes on the device while training, and on disk for one checkpoint and for the finished model."""

    weights: int
    gradients: int
    moments: int
    target: int
    activations: int
    checkpoint: int
    model: int

    @property
    def held(self) -> int:
        """What is there throughout."""
        return self.weights + self.gradients + self.moments + self.target

    @property
    def total(self) -> int:
        return self.held + self.activations


def batch(spec: RunSpec, rows: int) -> Batch:
    """How training rows are cut into optimizer steps; the last of an epoch may be smaller."""
    training = spec.training
    per_epoch = max(1, math.ceil(rows / training.rows_per_step))
    return Batch(
        rows_per_step=training.rows_per_step,
        pass_preferences=pass_preferences(spec),
        pass_tokens=training.max_tokens,
        steps=math.ceil(training.epochs * per_epoch),
        steps_per_epoch=per_epoch,
        last_rows=rows - (per_epoch - 1) * training.rows_per_step,
    )


def pass_preferences(spec: RunSpec) -> int:
    """What a forward pass with gradient holds at most: preferences; of an sft run, responses."""
    training = spec.training
    if spec.kind == "preference":
        return training.micro_batch
    a_row = 2 if learns_weak(spec) else 1
    return max(a_row, min(training.micro_batch, a_row * training.rows_per_step))


def evaluations(spec: RunSpec, rows: int) -> int:
    """How often the held-out preferences are scored: of a reward model before each checkpoint as well."""
    if spec.kind != "reward_model":
        return 1
    return 1 + math.ceil(batch(spec, rows).steps / spec.training.save_steps)


def cost(spec: RunSpec, counts: Counts) -> Cost:
    """Sequences through the model, in F.

    A trained preference is 6, a weak one of a preference run 2, a scored or evaluated one 2; a response of an
    sft run 3. A reward model is counted to its last step, though it may stop before.
    """
    epochs = spec.training.epochs
    trained = counts.strong_passes + (counts.weak_passes if learns_weak(spec) else 0)
    judged = spec.kind == "preference" and spec.method.reward_model is not None
    return Cost(
        policy=(3 if spec.kind == "sft" else 6) * epochs * trained,
        target=2 * epochs * counts.weak_passes if reads_weak(spec) else 0,
        reference=2 * counts.scored,
        evaluation=2 * counts.heldout * evaluations(spec, counts.rows),
        rewards=2 * counts.scored if judged else 0,
    )


def operations(spec: RunSpec, shape: Shape, tokens: Tokens, evaluated: int = 1) -> float:
    """Floating-point operations of the whole run, two for a multiplication with its addition.

    A token costs 2 in each weight of the linear layers, forward; 4 more backward (2 where the weights are
    frozen under LoRA), and 2 more when its activations are computed again. Causal attention costs
    2 × layers × hidden × length² a sequence, the output head 2 × hidden × vocabulary a completion token.

    Args:
        evaluated: how often the held-out tokens are read.
    """
    weights = sum(wide * narrow for wide, narrow in shape.linears)
    head = 2 * shape.hidden * shape.vocabulary
    trained = 3 + int(spec.training.gradient_checkpointing == "on") - int(spec.model.lora is not None)
    epochs = spec.training.epochs
    once = tokens.scored + evaluated * tokens.heldout
    passes = epochs * (trained * tokens.policy + tokens.target) + once
    seen = max(1, tokens.policy + tokens.target + tokens.scored + tokens.heldout)
    share = passes / seen  # attention and head in the same proportion as the tokens
    attention = 2 * shape.layers * shape.hidden * tokens.squares
    return 2 * weights * passes + share * (attention + head * tokens.completions)


def memory(spec: RunSpec, shape: Shape, *, pass_tokens: int = 0, vocabulary_tokens: int = 0) -> Memory:
    """Bytes of a run of this spec on a model of this shape.

    Args:
        shape: of a reward model, `Shape.classifier`. Under LoRA a copy of its head is trained whole.
        pass_tokens: tokens of the largest forward pass, padding included; 0: as the spec allows.
        vocabulary_tokens: those of them that the output head sees; 0: all.
    """
    lora, bf16 = spec.model.lora, spec.training.precision == "bf16"
    head = shape.hidden if spec.kind == "reward_model" else 0
    trained = shape.parameters if lora is None else shape.adapters(lora.r) + head
    frozen = 0 if lora is None else shape.parameters * (NARROW if bf16 else WIDE)
    target = WIDE * trained if has_target(spec) else 0
    beside = NARROW * trained if bf16 else WIDE * trained  # the copy of a target in the host's memory
    full = pass_tokens or largest_pass(spec, spec.training.max_length)
    finished = WIDE * shape.parameters if lora is None else frozen
    return Memory(
        weights=frozen + WIDE * trained,
        gradients=WIDE * trained,
        moments=2 * WIDE * trained,
        target=beside if target and spec.training.target_offload else target,
        activations=activations(spec.training, shape, full, vocabulary_tokens or full),
        checkpoint=3 * WIDE * trained + target,  # the average, wherever it lies
        model=finished,
    )


def largest_pass(spec: RunSpec, longest: int) -> int:
    """Tokens of the largest forward pass where the longest sequence has so many.

    max_tokens or all that micro_batch allows, but never less than what cannot be divided: one preference, one
    response of an sft run, one row of a reward model that learns from PoP rows.
    """
    sides = 1 if spec.kind == "sft" else 2
    alone = 2 * sides if learns_weak(spec) else sides
    return max(alone * longest, min(spec.training.max_tokens, sides * pass_preferences(spec) * longest))


def activations(training: TrainingSpec, shape: Shape, tokens: int, vocabulary_tokens: int) -> int:
    """Bytes that one forward pass keeps for the backward pass, counted in fp32.

    A Llama-like layer keeps 8 × hidden + 2 × key_value + 4 × intermediate numbers a token, the last norm
    2 × hidden. With gradient checkpointing a layer keeps its input only (hidden a token), one at a time is
    whole.
    """
    layer = 8 * shape.hidden + 2 * shape.key_value + 4 * shape.intermediate
    again = training.gradient_checkpointing == "on"
    kept = shape.layers * (shape.hidden if again else layer)
    whole = layer if again else 0
    logits = PIECE_COPIES * vocabulary_tokens * min(PIECE, shape.vocabulary)
    if vocabulary_tokens * shape.vocabulary <= TILE:
        logits += vocabulary_tokens * shape.vocabulary
    return WIDE * (tokens * (kept + whole + 2 * shape.hidden) + logits)


def has_target(spec: RunSpec) -> bool:
    """Whether a target policy is kept beside the one that is trained."""
    return spec.kind == "preference" and catalog.method(spec.method.slug).target


def reads_weak(spec: RunSpec) -> bool:
    """Whether the method sends the weak preference through a model, without gradient."""
    return has_target(spec) or (spec.kind == "preference" and catalog.method(spec.method.slug).weak_policy)


def learns_weak(spec: RunSpec) -> bool:
    """Whether the weak preference goes through the model together with the strong one."""
    return spec.kind == "reward_model" and spec.reward.objective == "pop"
