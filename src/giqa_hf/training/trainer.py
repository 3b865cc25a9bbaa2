"""TRL's `SFTTrainer` with rows that are named, batches that do not depend on the devices, and GIQA-Bench on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch.utils.data import DataLoader
from transformers import TrainerCallback
from transformers.trainer_utils import seed_worker
from trl import SFTTrainer

from ..errors import GiqaError
from .evaluation import Evaluation, evaluate_model
from .global_batches import GlobalBatches

_IDS = "row_ids"
_SHOWN = 8


class GiqaTrainer(SFTTrainer):
    """`SFTTrainer` for rows that `to_conversations` has made.

    Args:
        model (`transformers.PreTrainedModel`): what is trained.
        evaluation (`Evaluation`, *optional*): what is answered and scored at every evaluation.
        options: further arguments of `SFTTrainer`.
    """

    def __init__(self, model: Any, *, evaluation: Evaluation | None = None, **options: Any) -> None:
        # The trainer wants to see some dataset where it is to evaluate; `evaluate` below is what looks at it.
        held_out = None if evaluation is None else evaluation.rows
        super().__init__(model, eval_dataset=held_out, **options)
        self.evaluation = evaluation
        if evaluation is not None:
            self.add_callback(_LastStep())
        named: Any = _Named(self.data_collator)
        self.data_collator = named

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: TRL's card knows neither data nor figures; `giqa_hf.hub.write_model_card` fills one from the run."""

    def get_train_dataloader(self) -> Any:
        """See `Trainer.get_train_dataloader`; the rows of a step do not depend on the number of devices."""
        rows: Any = self.train_dataset
        args: Any = self.args
        if not hasattr(rows, "__len__") or args.length_column_name not in rows.column_names:
            return super().get_train_dataloader()
        batch = self._train_batch_size * args.gradient_accumulation_steps * args.world_size
        sampler = GlobalBatches(
            rows[args.length_column_name][:],
            batch,
            args.seed if args.data_seed is None else args.data_seed,
            lambda: self.state.global_step // math.ceil(len(rows) / batch),
        )
        workers = args.dataloader_num_workers
        loader: Any = DataLoader(
            rows,
            batch_size=self._train_batch_size,
            sampler=sampler,
            collate_fn=self.data_collator,
            num_workers=workers,
            pin_memory=args.dataloader_pin_memory,
            persistent_workers=args.dataloader_persistent_workers,
            prefetch_factor=args.dataloader_prefetch_factor,
            drop_last=args.dataloader_drop_last,
            worker_init_fn=partial(seed_worker, num_workers=workers, rank=args.process_index),
        )
        return self.accelerator.prepare(loader)

    def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """See `Trainer.training_step`.

        Raises:
            `GiqaError`: when the loss is no number.
        """
        ids: Sequence[str] = inputs.pop(_IDS, ())
        loss = super().training_step(model, inputs, *args, **kwargs)  # type: ignore[no-untyped-call]
        # Not seen in the log: there transformers puts the mean before it in the place of what is no number.
        if not math.isfinite(loss):
            more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
            told = f" on rows {', '.join(ids[:_SHOWN])}{more}" if ids else ""
            raise GiqaError(
                f"training: expected a finite loss, found {float(loss)} at step {self.state.global_step + 1}{told}; "
                "use a smaller learning rate, or look at these rows"
            )
        return loss

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Answer the held-out rows and score them; see `Trainer.evaluate`.

        A figure that cannot be told (boxes of a model that has never written one) is not logged; where it is the one
        that the best checkpoint is chosen by, it counts as worse than any other.
        """
        if self.evaluation is None:
            return dict(super().evaluate(eval_dataset, ignore_keys, metric_key_prefix))
        with self.accelerator.autocast():
            figures = evaluate_model(self.model, self.processing_class, self.evaluation)
        told = {f"{metric_key_prefix}_{name}": value for name, value in figures.items()}
        known = {name: value for name, value in told.items() if value is not None}
        self.log(dict(known))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, known)
        return {name: -math.inf if value is None else value for name, value in told.items()}


class _LastStep(TrainerCallback):
    """Evaluates after the last step too, which transformers saves but evaluates only where it is one of the many."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        if state.global_step >= state.max_steps and args.eval_strategy != "no":
            control.should_evaluate = True
        return control


class _Named:
    """A collator whose batches say of which rows they are; `training_step` takes that out again."""

    def __init__(self, collate: Any) -> None:
        self.collate = collate

    def __call__(self, rows: list[dict[str, Any]]) -> Mapping[str, Any]:
        ids = [row["id"] for row in rows if "id" in row]
        batch: dict[str, Any] = dict(self.collate(rows))
        return {**batch, _IDS: ids} if ids else batch
