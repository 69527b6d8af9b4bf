"""One trainer for every method: TRL's loop, our batches and our loss."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.engine import catalog, processes, sharding, trl_seam
from training.engine.batching import PairCollator, Row, by_length, even_parts, even_slice, rows_in
from training.engine.contexts import Contexts
from training.engine.errors import NotFinite
from training.engine.failed_batch import FOLDER, Failed, keep, values
from training.engine.layouts import TokenBatch
from training.engine.logps import Scorer, evaluating, preference_logps
from training.engine.meter import WIDER, Meter
from training.engine.methods import PairBatch, State, new_state, per_pair_loss
from training.engine.metrics import describe
from training.engine.spec import LoraSpec, RunSpec
from training.engine.stepping import StepTrainer
from training.engine.target import TargetPolicy

REMEMBERED = "method_state.safetensors"


class PairTrainer(StepTrainer, trl_seam.SeamTrainer):
    """Trains a policy with any registered method.

    `scorer` answers log-probabilities of the policy, `target` holds θ̂ where the method wants one, `contexts`
    are where policy and reference are compared.
    """

    def __init__(
        self,
        *,
        spec: RunSpec,
        collator: PairCollator,
        rows: Dataset,
        meter: Meter | None = None,
        contexts: Contexts | None = None,
        **options: Any,
    ) -> None:
        training = spec.training
        super().__init__(
            training=training,
            rows=rows,
            shared=training.row_order == "shared",
            meter=meter,
            args=_config(spec, options.pop("output_dir")),
            data_collator=collator,
            peft_config=_lora(spec.model.lora),
            **options,
        )
        self.method = catalog.method(spec.method.slug)
        self.params: dict[str, Any] = spec.method.params
        self.max_margin = self.params.get("max_margin")
        # a method that looks at other pairs: its forward passes hold so many of them, not so many tokens
        self.compares = self.method.batch_statistics or bool(self.method.state)
        self.scorer = Scorer(
            self.model,
            bf16=training.precision == "bf16",
            layout=collator.layout,
            seen=self.meter.passed,
        )
        self.contexts = contexts
        self.remembered = new_state(self.method.slug, spec.training.seed)
        self.target: TargetPolicy | None = None
        if self.method.target:
            self.target = TargetPolicy(
                self.scorer,
                rate=self.params["target_rate"],
                interval=self.params["target_interval"],
                offload=training.target_offload,
            )

    def items_in(self, rows: list[Row]) -> int:
        return len(rows)

    def learned_in(self, batch: dict[str, Any]) -> int:
        return rows_in(batch)

    def idle(self, rows: list[Row]) -> dict[str, Any]:
        """The shortest of the step's strong preferences."""
        of = {row["strong"]: row for row in rows}
        found: dict[str, Any] = self.data_collator([of[place] for place in self._shortest(of)])
        return found

    def _shortest(self, places: Iterable[int]) -> list[int]:
        return by_length(self.data_collator.encoded, places)[:1]

    def nothing(self, batch: dict[str, Any]) -> Tensor:
        with self.scorer.unseen():
            found: Tensor = self.scorer(batch["strong"].to(self.args.device))
        return 0 * found.sum()

    def passes(self, rows: list[Row]) -> Iterator[dict[str, Any]]:
        """This process's rows of a step, as batches that go through the policy."""
        if self.compares:
            for part in even_parts(rows, self.room.preferences * processes.count()):
                copied = len(part) < processes.count()  # too few to share out: everybody takes all of them
                own = part if copied else even_slice(part, processes.rank(), processes.count())
                yield self.data_collator(own) | {"copies": processes.count() if copied else 1}
            return
        of: dict[int, list[Row]] = defaultdict(list)
        for row in rows:
            of[row["strong"]].append(row)
        mine = even_slice(list(of), processes.rank(), processes.count())
        margins = self._weak_margins([row for place in mine for row in of[place]])
        for places in self.data_collator.passes(mine, self.room):
            part = [row for place in places for row in of[place]]
            batch = self.data_collator(part)
            batch["weak_margin"] = [margins[row["weak"]] for row in part] if margins else None
            yield batch

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Σ over the batch's rows of their loss, divided by the rows of the whole optimizer step."""
        pairs = self.pairs(inputs)
        copies = int(inputs.get("copies", 1))
        whole, own = pairs.together() if self.compares and copies == 1 else (pairs, slice(None))
        if not torch.isfinite(whole.policy_chosen_logps + whole.policy_rejected_logps).all():
            raise self.failed("A log-probability became NaN or infinite", inputs["rows"], values(pairs))
        losses = per_pair_loss(self.method.slug, whole, state=self._memory(model), **self.params)[own]
        rows = rows_in(inputs) if num_items_in_batch is None else int(num_items_in_batch)
        loss = losses.sum() / (rows * copies)
        if not torch.isfinite(loss):
            raise self.failed(
                f"The loss became {float(loss.detach())}", inputs["rows"], values(pairs, losses)
            )
        if not model.training:
            return loss
        self.tally.add(describe(pairs, beta=self.params["beta"], max_margin=self.params.get("max_margin")))
        return loss

    def _memory(self, model: Any) -> State | None:
        """What the method remembers; outside of training a copy, so that an evaluation does not move it."""
        if self.remembered is None or model.training:
            return self.remembered
        return self.remembered.copy()

    def failed(self, what: str, rows: list[Row], found: dict[str, Tensor] | None = None) -> NotFinite:
        """Keep a batch that gave no numbers; the error to raise, which says where and of what."""
        failed = Failed(self.state.global_step + 1, what, rows, found or {})
        told = keep(
            Path(self.args.output_dir).parent / FOLDER,
            failed,
            self.data_collator,
            decode=self.processing_class.decode,
            about={"method": self.method.slug, "params": self.params},
        )
        return NotFinite(
            f"{what} at step {failed.step}. {told}",
            hint="Lower the learning rate or β, or train in fp32. Scores that are huge do this to "
            "dpo_margin_gt and dpo_scaled as well.",
        )

    def pairs(self, inputs: dict[str, Any]) -> PairBatch:
        """Run the policy (and the target) on a collated batch and spread the results over its rows."""
        device = self.args.device
        margins = inputs.get("weak_margin")
        if margins is None:
            found = self._weak_margins(inputs["rows"])
            margins = [found[row["weak"]] for row in inputs["rows"]] if found else None
        weak = torch.stack(margins) if margins is not None else None
        of = inputs["strong_of"].to(device)
        policy = preference_logps(self.scorer, inputs["strong"].to(device))[of]
        reference = inputs["strong_ref"].to(device, policy.dtype)[of]
        lengths = inputs["lengths"].to(device)[of]
        return PairBatch(
            policy_chosen_logps=policy[:, 0],
            policy_rejected_logps=policy[:, 1],
            ref_chosen_logps=reference[:, 0],
            ref_rejected_logps=reference[:, 1],
            chosen_lengths=lengths[:, 0],
            rejected_lengths=lengths[:, 1],
            weak_target_margin=weak if self.method.target else None,
            weak_policy_margin=weak if self.method.weak_policy else None,
            **{name: values.to(device)[of] for name, values in inputs["columns"].items()},
        )

    @torch.no_grad()
    def _weak_margins(self, rows: list[Row]) -> dict[int, Tensor]:
        """β·Δ of the weak preferences, each once, under the target policy or the policy itself.

        Empty for methods without.
        """
        if self.target is None and not self.method.weak_policy:
            return {}
        logps = self._policy_logps if self.target is None else self.target.logps
        margins: dict[int, Tensor] = {}
        room = replace(self.room, preferences=WIDER * self.room.preferences, tokens=WIDER * self.room.tokens)
        passes = self.data_collator.passes(dict.fromkeys(row["weak"] for row in rows), room)
        everything = range(len(self.data_collator.encoded))
        with nullcontext() if self.target is None else self.target.at_work():
            for places, mine in sharding.turns(passes, lambda: self._shortest(everything)):
                with nullcontext() if mine else self.scorer.unseen():
                    found = logps(self.data_collator.batch(places).to(self.args.device))
                if mine:
                    ratios = found - self.data_collator.reference[places].to(found)
                    gaps = self.params["beta"] * (ratios[:, 0] - ratios[:, 1])
                    margins |= dict(zip(places, gaps, strict=True))
        return margins

    def _policy_logps(self, batch: TokenBatch) -> Tensor:
        with evaluating(self.scorer):
            return preference_logps(self.scorer, batch)

    def stepped(self) -> None:
        if self.target is not None:
            self.target.step()

    def figures(self) -> dict[str, float]:
        found = super().figures()
        ratio = self.target.drift_ratio() if self.target is not None else None
        return found | ({} if ratio is None else {"pop/drift_ratio": ratio}) | self._divergence()

    def _divergence(self) -> dict[str, float]:
        """KL to the reference at the run's contexts; the time it takes is not training's.

        At the first and at the last step, and in between where `Contexts.due` says so: by the step alone, so
        that a resumed run tells what it would have told.
        """
        step, rows = self.state.global_step, self.args.per_device_train_batch_size
        before = max(0, step - self.args.logging_steps) * rows
        ends = step in (1, self.state.max_steps)
        if self.contexts is None or not (ends or self.contexts.due(before, step * rows)):
            return {}
        self.meter.pause()
        kl = self.contexts.kl(self.scorer, pad_id=self.data_collator.pad_id, room=self.room)
        self.meter.go_on()
        return {"policy/kl_token": float(kl.mean())}

    def before_checkpoint(self, folder: Path) -> None:
        """Add the target policy and what the method remembers."""
        super().before_checkpoint(folder)
        if self.target is not None:
            self.target.save(folder)
        if self.remembered is not None and self.args.should_save:
            save_file(self.remembered.state_dict(), folder / REMEMBERED)

    def take_up(self, folder: Path) -> None:
        """What a checkpoint holds beside what transformers reads: the target policy, the method's state."""
        if self.target is not None:
            self.target.load(folder)
        if self.remembered is not None:
            self.remembered.load_state_dict(load_file(folder / REMEMBERED))


def _config(spec: RunSpec, output_dir: Path) -> Any:
    training = spec.training
    return trl_seam.config(
        output_dir=str(output_dir),
        num_train_epochs=training.epochs,
        learning_rate=training.learning_rate,
        lr_scheduler_type=training.lr_scheduler,
        warmup_steps=training.warmup_ratio,  # below 1 it is a share of the steps
        weight_decay=training.weight_decay,
        per_device_train_batch_size=training.rows_per_step,  # `training_step` divides them
        max_grad_norm=training.max_grad_norm,
        # the fused one needs no copy of the weights while it steps
        optim="adamw_torch_fused" if torch.cuda.is_available() else "adamw_torch",
        seed=training.seed,
        logging_steps=training.logging_steps,
        logging_first_step=True,
        save_strategy="steps",
        save_steps=training.save_steps,
        save_total_limit=max(2, training.keep_checkpoints + 1),
        report_to=training.report_to,
        run_name=spec.name or output_dir.parent.name,
        beta=spec.method.params["beta"],
        gradient_checkpointing=None,
        activation_checkpointing=training.gradient_checkpointing == "on",
        use_cpu=not torch.cuda.is_available(),
    )


def _lora(spec: LoraSpec | None) -> Any:
    if spec is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=spec.r,
        lora_alpha=spec.alpha,
        lora_dropout=spec.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
