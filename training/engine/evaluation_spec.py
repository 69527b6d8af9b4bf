"""The part of a run spec that says how a model is evaluated, and of an evaluation run: which one.

No torch here: web processes read this module.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from training.engine.benchmarks import verdicts
from training.engine.errors import SpecError

Split = Literal["heldout", "train", "all"]
PATH = 4096  # characters of a path or id, as systems have it


class Strict(BaseModel):
    """Unknown keys are errors: a misspelt hyper-parameter must not be ignored."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class GenerationSpec(Strict):
    """Responses that the trained policy writes to held-out prompts."""

    prompts: int = Field(
        0,
        ge=0,
        le=1_000_000,
        title="Prompts",
        description="How many held-out prompts are answered, the same in every run on a dataset. 0: none.",
    )
    samples: int = Field(1, ge=1, le=1024, title="Responses a prompt")
    temperature: float = Field(
        1.0, ge=0, le=100, title="Temperature", description="0 takes the likeliest token. KL needs 1."
    )
    top_p: float = Field(1.0, gt=0, le=1, title="Top-p", description="KL needs 1.")
    max_new_tokens: int = Field(256, ge=1, le=1_000_000, title="Longest response", description="Tokens.")
    seed: int = Field(0, ge=0, title="Seed")


class RewardBenchSpec(Strict):
    """A published benchmark with prompts of its own: does the model score the better response higher?"""

    data: str | None = Field(
        None,
        min_length=1,
        max_length=PATH,
        title="Data",
        description="A file of the benchmark folder (`POP_BENCHMARK_DIR`; to the engine any path), or a "
        "Hugging Face id like `allenai/reward-bench`, with `:SPLIT` behind it for another split than "
        "`filtered`. Empty: not scored.",
    )
    compat: bool = Field(
        False,
        title="Tokenise as the package",
        description="Policies only: as `rewardbench` 0.1.4 does, to compare with published figures.",
    )


class AlpacaEvalSpec(Strict):
    """The model answers a baseline's instructions, and a judge on the endpoint of the settings says whose
    output is the better one.
    """

    baseline: str | None = Field(
        None,
        min_length=1,
        max_length=PATH,
        title="Baseline's outputs",
        description="A file of the benchmark folder (`POP_BENCHMARK_DIR`; to the engine any path) like "
        "`alpaca_eval_gpt4_baseline.json`; its instructions are answered. Empty: none are.",
    )
    judge: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        title="Judge",
        description="The judge's name at the endpoint (`POP_JUDGE_URL`), like `gpt-4-1106-preview`. It is "
        "paid for by whose key is set there.",
    )
    prompt: str | None = Field(
        None,
        min_length=1,
        max_length=PATH,
        title="Judge's prompt",
        description="A template in the benchmark folder, such as the package's `alpaca_eval_clf.txt`. Empty: "
        "our own, whose figures compare with no leaderboard.",
    )
    request: dict[str, Any] | None = Field(
        None,
        title="Request settings",
        description='A JSON object that changes what is sent to the judge, like `{"logprobs": null, '
        '"top_logprobs": null}` for one that gives no log-probabilities; null takes a setting out. Empty: as '
        "the package asks.",
    )
    both_orders: bool = Field(
        False, title="Ask in both orders", description="And take the mean, at twice the cost."
    )
    temperature: float = Field(
        1.0, ge=0, le=100, title="Temperature", description="0 takes the likeliest token."
    )
    max_new_tokens: int = Field(2048, ge=1, le=1_000_000, title="Longest output", description="Tokens.")

    @field_validator("request", mode="before")
    @classmethod
    def a_request_is_an_object_that_can_be_sent(cls, given: Any) -> Any:
        if given is None:
            return None
        if not isinstance(given, dict) or not all(isinstance(name, str) for name in given):
            raise ValueError('must be a JSON object like {"temperature": 0}')
        try:
            verdicts.settings(given)
        except SpecError as error:
            raise ValueError(error.message) from error
        return given

    @model_validator(mode="after")
    def a_baseline_has_a_judge(self) -> Self:
        if (self.baseline is None) != (self.judge is None):
            raise ValueError("AlpacaEval needs both: a baseline's outputs, and a judge")
        return self


class EvaluationSpec(Strict):
    names: list[str] = Field(
        default_factory=lambda: [
            "pair_accuracy",
            "margin_correlation",
            "cumulative_accuracy",
            "calibration",
            "pop_accuracy",
            "heldout_loss",
            "divergence",
        ],
        title="Evaluations",
    )
    batch_size: int = Field(16, ge=1, title="Sequences per forward pass")
    generation: GenerationSpec = Field(default_factory=GenerationSpec, title="Responses to held-out prompts")
    judge: str | None = Field(
        None,
        min_length=1,
        max_length=PATH,
        title="Judge",
        description="The reward model that judges the responses: `run:` and the id of its run, a path, or a "
        "Hugging Face id. Or the path of an oracle, a reward over words as JSON.",
    )
    against: str | None = Field(
        None,
        min_length=1,
        max_length=PATH,
        title="Judged against",
        description="Whose responses are the other side: `run:` and the id of a run that wrote some, or the "
        "path of its folder or generations.jsonl. Empty: those of the reference.",
    )
    rewardbench: RewardBenchSpec = Field(default_factory=RewardBenchSpec, title="RewardBench")
    alpaca_eval: AlpacaEvalSpec = Field(default_factory=AlpacaEvalSpec, title="AlpacaEval")

    @property
    def of_dataset(self) -> bool:
        """Whether anything is asked about the dataset's own preferences."""
        return bool(self.names or self.generation.prompts)

    @model_validator(mode="after")
    def a_judge_has_something_to_judge(self) -> Self:
        if self.judge is not None and not self.generation.prompts:
            raise ValueError("a judge needs responses: set generation.prompts, say to 256")
        if self.against is not None and self.judge is None:
            raise ValueError("against needs a judge: name a reward model in judge")
        return self

    @model_validator(mode="after")
    def names_are_registered(self) -> Self:
        from training.engine import catalog

        for name in self.names:
            catalog.evaluation(name)
        return self


class SubjectSpec(Strict):
    """Which model an evaluation run is of, and on what. Its run is evaluated as it was, and not changed."""

    run: str = Field(
        "",
        max_length=PATH,
        title="Run",
        description="`run:` and the id of the run that is evaluated again, or the path of its folder.",
    )
    checkpoint: int | None = Field(
        None,
        ge=1,
        title="Checkpoint",
        description="Optimizer step of one of its checkpoints. Empty: the finished model.",
    )
    split: Split = Field(
        "heldout",
        title="Split",
        description="Which preferences and comparisons of the dataset it is evaluated on.",
    )
    seed: int | None = Field(
        None,
        ge=0,
        title="Seed of the intervals",
        description="Of the bootstrap. Empty: the run's own.",
    )
