"""The run spec: what `spec.json` holds, what forms are made from, what is checked before anything starts.

No torch here: web processes read this module.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from training.engine.evaluation_spec import PATH, EvaluationSpec, Strict, SubjectSpec

Positive = Annotated[float, Field(gt=0)]
Kind = Literal["preference", "reward_model", "sft", "evaluation"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TRAINED: tuple[Kind, ...] = ("preference", "reward_model", "sft")  # those that make a model


def _switch(given: Any) -> Any:
    """`auto`, `on` and `off` were true and false once, and YAML reads on and off as these."""
    words = {"true": "on", "false": "off"}
    return words.get(str(given).lower(), given) if isinstance(given, bool | str) else given


Switch = Annotated[Literal["auto", "on", "off"], BeforeValidator(_switch)]
# Sections that only some kinds of run have.
SECTIONS: dict[str, tuple[Kind, ...]] = {
    "subject": ("evaluation",),
    "model": TRAINED,
    "method": ("preference",),
    "reward": ("reward_model",),
    "training": TRAINED,
}


class DatasetRef(Strict):
    """Where the dataset lies and the SHA-256 it must have."""

    path: str = Field("dataset", description="Folder of a frozen PoP dataset, or a .jsonl file of PoP rows.")
    sha256: str = Field("", description="Refuse to train on anything else. Empty: not checked.")


class TinySpec(Strict):
    """The `tiny` base model: a small Llama with a byte-level tokenizer, built on the spot."""

    hidden_size: int = Field(96, ge=16, le=1024, multiple_of=8, title="Hidden size")
    layers: int = Field(3, ge=1, le=24, title="Layers")
    heads: int = Field(4, ge=1, le=16, title="Attention heads")
    vocabulary: int = Field(
        1024,
        ge=262,
        le=32_768,
        title="Vocabulary",
        description="Tokens: the 256 bytes, 6 marks, and merges learned on the training texts.",
    )
    sft_steps: int = Field(
        60,
        ge=0,
        le=100_000,
        title="SFT warm-up steps",
        description="Supervised steps on the chosen responses before the training proper. "
        "An `sft` run has none.",
    )
    sft_learning_rate: Positive = Field(3e-3, title="SFT learning rate")

    @model_validator(mode="after")
    def heads_divide_hidden(self) -> Self:
        if self.hidden_size % self.heads:
            raise ValueError("hidden_size must be a multiple of heads")
        if self.hidden_size // self.heads % 2:
            raise ValueError(
                "hidden_size / heads must be even: positions turn the entries of a head in pairs"
            )
        return self


class LoraSpec(Strict):
    """Low-rank adapters for policy and target over one base."""

    r: int = Field(16, ge=1, le=512, title="LoRA rank")
    alpha: int = Field(32, ge=1, le=1024, title="LoRA α")
    dropout: float = Field(0.0, ge=0, lt=1, title="LoRA dropout")


class ModelSpec(Strict):
    base: str = Field(
        "tiny",
        min_length=1,
        max_length=PATH,
        title="Base model",
        description="`tiny`, a Hugging Face model id, a path on the worker, or `run:` and the id of a "
        "finished run whose model to go on from.",
    )
    revision: str | None = Field(None, max_length=PATH, title="Hub revision")
    tiny: TinySpec = Field(default_factory=TinySpec)
    lora: LoraSpec | None = Field(None, title="LoRA", description="Leave empty for full fine-tuning.")


class MethodSpec(Strict):
    """The loss and its parameters; `catalog` checks the parameters against the method's own model."""

    slug: str = Field("dpo_pop", title="Method")
    params: dict[str, Any] = Field(default_factory=dict)
    reward_model: str | None = Field(
        None,
        min_length=1,
        max_length=PATH,
        title="Reward model",
        description="The finished reward model whose margins the method reads: `run:` and the id of its run, "
        "or the path of its `model` folder.",
    )

    @model_validator(mode="after")
    def params_fit_the_method(self) -> Self:
        from training.engine import catalog

        self.params = catalog.policy_method(self.slug).params.model_validate(self.params).model_dump()
        return self

    @model_validator(mode="after")
    def reward_model_fits_the_method(self) -> Self:
        from training.engine import catalog

        method = catalog.method(self.slug)
        if self.reward_model is None and method.needs_reward_margin:
            raise ValueError(f"{method.title} needs a reward model: train one, and name it in reward_model")
        if self.reward_model is not None and not method.takes_reward_model:
            raise ValueError(f"{method.title} reads no reward margins: leave reward_model out")
        return self


class RewardSpec(Strict):
    """What a reward model is trained for, and when it has learned enough.

    The held-out preferences are scored at every checkpoint, and the weights of the best one are kept.
    """

    objective: Literal["bradley_terry", "margin", "pop"] = Field(
        "bradley_terry",
        title="Objective",
        description="`bradley_terry`: the chosen response gets the larger reward. `margin`: larger by the "
        "score margin. `pop`: by more than the weak preference's own difference (needs PoP rows).",
    )
    watch: Literal["loss", "accuracy"] = Field(
        "loss",
        title="Best by",
        description="The held-out Bradley-Terry loss or the held-out pair accuracy.",
    )
    patience: int = Field(
        3,
        ge=0,
        le=1000,
        title="Patience",
        description="Checkpoints in a row without a better one before training stops. 0: never early.",
    )


class TrainingSpec(Strict):
    epochs: Positive = Field(1.0, title="Epochs")
    learning_rate: Positive = Field(1e-6, title="Learning rate", description="Peak of the schedule.")
    lr_scheduler: Literal["cosine", "linear", "constant"] = Field("cosine", title="Schedule")
    warmup_ratio: float = Field(
        0.03,
        ge=0,
        lt=1,
        title="Warm-up share",
        description="Of the steps, rounded up; at least one step comes after it, at the full rate.",
    )
    weight_decay: float = Field(0.05, ge=0, title="Weight decay")
    rows_per_step: int = Field(64, ge=1, title="Rows per optimizer step")
    micro_batch: int = Field(
        16,
        ge=1,
        title="Preferences per forward pass",
        description="At most (responses, where a model is fine-tuned on them); what a step needs is divided, "
        "its result stays the same.",
    )
    max_tokens: int = Field(
        16_384,
        ge=16,
        title="Tokens per forward pass",
        description="At most, unless one preference alone has more. Less needs less memory.",
    )
    row_order: Literal["shared", "shuffled"] = Field(
        "shared",
        title="Order of rows",
        description="`shared` puts rows that have preferences in common into the same step, which saves "
        "forward passes; `shuffled` draws every row by itself.",
    )
    max_length: int = Field(2048, ge=16, title="Longest sequence", description="Tokens, prompt included.")
    max_grad_norm: Positive = Field(1.0, title="Gradient clipping norm")
    precision: Literal["fp32", "bf16"] = Field(
        "fp32", title="Precision", description="bf16 is autocast over fp32 master weights."
    )
    gradient_checkpointing: Switch = Field(
        "auto",
        title="Gradient checkpointing",
        description="Keep less for the backward pass and compute it again: a third more work, the same "
        "result. `auto`: where the run would not fit into the device's memory without.",
    )
    target_offload: bool = Field(
        False,
        title="Target in main memory",
        description="Keep the target policy's average in the host's memory, and a copy in the training "
        "precision on the device.",
    )
    seed: int = Field(0, ge=0, title="Seed")
    logging_steps: int = Field(1, ge=1, title="Log every … steps")
    save_steps: int = Field(50, ge=1, title="Checkpoint every … steps")
    keep_checkpoints: int = Field(
        1,
        ge=0,
        le=1000,
        title="Checkpoints to keep",
        description="Of how many checkpoints before the last one the weights stay once the run has finished, "
        "to be evaluated again: the newest. Each takes as much disk as the model.",
    )
    report_to: list[Literal["wandb", "tensorboard", "mlflow"]] = Field(
        default_factory=list,
        title="Trackers",
        description="Where metrics go besides the run's own events. Each must be installed where it trains.",
    )


class RunSpec(Strict):
    """Everything that decides a run's outcome. A dump lacks sections that its kind does not have."""

    version: Literal[1] = 1
    kind: Kind = Field(
        "preference",
        title="Kind of run",
        description="`preference`: a policy by a preference method. `reward_model`: a model that scores "
        "responses. `sft`: a base model fine-tuned on the chosen responses. `evaluation`: the model of a run "
        "that is there already, evaluated again; nothing is trained.",
    )
    name: str = Field("", max_length=200)
    dataset: DatasetRef = Field(default_factory=DatasetRef)
    subject: SubjectSpec = Field(default_factory=SubjectSpec)
    model: ModelSpec = Field(default_factory=ModelSpec)
    method: MethodSpec = Field(default_factory=MethodSpec)
    reward: RewardSpec = Field(default_factory=RewardSpec)
    training: TrainingSpec = Field(default_factory=TrainingSpec)
    evaluation: EvaluationSpec = Field(default_factory=EvaluationSpec)

    @model_validator(mode="before")
    @classmethod
    def sections_fit_the_kind(cls, given: Any) -> Any:
        """A section of another kind of run would be ignored: it is refused."""
        kind = given.get("kind", "preference") if isinstance(given, dict) else ""
        for section, owners in SECTIONS.items():
            if kind in KINDS and section in given and kind not in owners:
                belongs = "runs that train" if owners == TRAINED else f"{owners[0]} runs"
                raise ValueError(f"{kind} runs have no section {section!r}: it belongs to {belongs}")
        return given

    @model_serializer(mode="wrap")
    def without_sections_of_other_kinds(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = serialise(self)
        return {name: value for name, value in document.items() if has_section(self.kind, name)}

    @model_validator(mode="after")
    def an_evaluation_is_of_a_run(self) -> Self:
        if self.kind == "evaluation" and not self.subject.run:
            raise ValueError("an evaluation names the run that it is of: subject.run")
        return self

    @model_validator(mode="after")
    def benchmarks_come_afterwards(self) -> Self:
        asked = self.evaluation
        given = {"rewardbench": asked.rewardbench.data, "alpaca_eval": asked.alpaca_eval.baseline}
        for name, value in given.items():
            if self.kind != "evaluation" and value is not None:
                raise ValueError(
                    f"evaluation.{name} is for evaluation runs: train first, then evaluate again"
                )
        return self

    @model_validator(mode="after")
    def reward_models_write_nothing(self) -> Self:
        if self.kind == "reward_model" and self.evaluation.generation.prompts:
            raise ValueError("a reward model writes no responses: leave evaluation.generation.prompts at 0")
        return self

    @model_validator(mode="after")
    def statistics_have_pairs(self) -> Self:
        from training.engine import catalog

        if self.kind != "preference":
            return self
        method = catalog.method(self.method.slug)
        if method.batch_statistics and self.training.micro_batch < 2:
            raise ValueError(
                f"{method.title} compares the pairs of a forward pass: micro_batch must be 2 or more"
            )
        return self


def has_section(kind: str, section: str) -> bool:
    """Whether runs of this kind have a section of the spec, by its name or that of one inside it."""
    owners = SECTIONS.get(section.partition(".")[0])
    return owners is None or kind in owners


def decisive(spec: RunSpec) -> dict[str, Any]:
    """What a checkpoint goes on with: the parts of a spec that decide the weights.

    Trackers do not, nor what is computed again instead of kept, nor what stays at the end.
    """
    return spec.model_dump(
        mode="json",
        exclude={
            "name": True,
            "dataset": True,
            "evaluation": True,
            "training": {"report_to", "gradient_checkpointing", "keep_checkpoints"},
        },
    )
