"""The machinery of the one loop; see the package for what it promises."""

from __future__ import annotations

import copy
import hashlib
import math
import os
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import distributed, nn

from studio.errors import BadInput, OutOfMemory
from studio.forge.loop import checkpoint
from studio.forge.loop.checkpoint import State
from studio.forge.loop.optimizers import make_optimizer
from studio.forge.loop.options import LoopOptions
from studio.forge.loop.task import Outcome, Rows, Stopped, Task
from studio.forge.track import Track
from studio.options import options_dict


class Run:
    """One training from its first or its resumed step to the end of its budget."""

    def __init__(self, task: Task, options: LoopOptions, track: Track) -> None:
        if not len(task.rows.get("train", ())):
            raise BadInput("There is nothing to train on: the data has no usable example.")
        self.task, self.options, self.track = task, options, track
        self.rank, self.world = _join_processes()
        track.muted = self.rank > 0  # one diary for all processes
        self.device = next(next(iter(task.nets.values())).parameters()).device
        batch = options.batch_size * options.accumulate
        self.steps_per_epoch = math.ceil(len(task.rows["train"]) / batch)
        self.total = self.steps_per_epoch * options.epochs
        self.total = min(self.total, options.steps) if options.steps else self.total
        self.optimizers = {name: make_optimizer(net, options) for name, net in task.nets.items()}
        self.model = next(iter(task.nets.values()))
        self.ema = copy.deepcopy(self.model).requires_grad_(False) if options.ema else None
        self._order: tuple[int, torch.Tensor] | None = None
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=options.precision == "fp16")
        if options.gradient_checkpointing:
            _save_memory(self.model)

    def run(self) -> Outcome:
        state = self._begin()
        started, saved, seconds = time.monotonic(), time.monotonic(), state.seconds
        if state.step == 0:
            self._save(state)
        while state.step < self.total:
            self._step(state)
            state.seconds = seconds + time.monotonic() - started
            self.track.beat(state.step, self.total)
            if state.step % self.options.log_every == 0:
                self._log(state)
            if state.step % self.steps_per_epoch == 0 or state.step == self.total:
                self._end_epoch(state)
            stopped = self.track.stop.is_set()
            if stopped or time.monotonic() - saved > self.options.checkpoint_seconds:
                self._save(state)
                saved = time.monotonic()
            if stopped and state.step < self.total:
                self.track.say(f"Stopped at step {state.step} of {self.total}; resume continues from here.")
                return self._outcome(state, finished=False)
        self._save(state)
        test = self._measure("test")
        if test is not None:
            self.track.say(f"Test Loss: {test:.4f}")
            self.track.scalars({"test/loss": test}, state.step)
        return self._outcome(state, finished=True, test=test)

    def _begin(self) -> State:
        options = options_dict(self.options)
        found = checkpoint.newest(self.track.folder)
        if found and not self.track.resume:
            raise BadInput(f"{self.track.folder} holds a run already; resume it or choose another name.")
        state = State(options=options)
        if found:
            state = checkpoint.load(found, self.task.nets, self.optimizers, self.ema)
            checkpoint.refuse_changes(state.options, options)
            self.scaler.load_state_dict(state.scaler)
        if self.world > 1:
            distributed.barrier()  # all have looked before the first one writes
        self.track.open(options, state.step)
        return state

    def _step(self, state: State) -> None:
        rate = learning_rate(self.options, state.step, self.steps_per_epoch, self.total)
        micro = list(self._micro_batches(state.step))
        for name, net in self.task.nets.items():
            net.train()
            total = self._backward(name, micro, state.step)
            if total is None:
                continue
            self._update(name, net, rate, state.step)
            state.sums[name] = state.sums.get(name, 0.0) + total
        state.step += 1
        state.counted += 1
        if self.ema is not None:
            _average(self.ema, self.model, self.options.ema, state.step)

    def _backward(self, name: str, micro: list[Rows], step: int) -> float | None:
        total: torch.Tensor | None = None
        size = sum(map(len, micro))
        for part, rows in enumerate(micro):
            rng = self._rng(step, name, part)
            with self._autocast():
                loss = self._guarded(name, rows, rng, step)
            if loss is None:
                continue
            # Micro-batches of unequal size weigh by their examples, so accumulation equals one big batch.
            loss = loss * (len(rows) / size)
            self.scaler.scale(loss).backward()
            total = loss.detach() if total is None else total + loss.detach()
        if total is None:
            return None
        value = float(total)
        if not math.isfinite(value):
            raise self._broken(step, f"The loss of {name} became {value}")
        return value

    def _guarded(self, name: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor | None:
        try:
            return self.task.loss(name, rows, rng, step)
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error):
                raise OutOfMemory(
                    f"No memory left at batch size {self.options.batch_size}; lower batch_size and raise "
                    "accumulate by the same factor, or set gradient_checkpointing."
                ) from error
            raise

    def _update(self, name: str, net: nn.Module, rate: float, step: int) -> None:
        optimizer = self.optimizers[name]
        for group in optimizer.param_groups:
            group["lr"] = rate
        # A net's loss may leave gradients in the others (a generator's in its discriminator): drop them.
        for other in self.task.nets.values():
            if other is not net:
                other.zero_grad(set_to_none=True)
        if self.world > 1:
            _mean_gradients(net, self.world)
        self.scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(net.parameters(), self.options.clip or math.inf)
        if not self.scaler.is_enabled() and not torch.isfinite(norm):
            raise self._broken(step, f"The gradients of {name} became {float(norm)}")
        self.scaler.step(optimizer)
        self.scaler.update()
        optimizer.zero_grad(set_to_none=True)

    def _micro_batches(self, step: int) -> Iterator[Rows]:
        epoch, place = divmod(step, self.steps_per_epoch)
        rows = self.task.rows["train"]
        order = self._order_of(epoch)
        size = self.options.batch_size
        first = place * size * self.options.accumulate
        for part in range(self.options.accumulate):
            batch = order[first + part * size : first + (part + 1) * size]
            if len(batch):
                # A last batch smaller than the processes is shared, since all of them must step together.
                own = batch[self.rank :: self.world]
                yield rows[(own if len(own) else batch).numpy()]

    def _order_of(self, epoch: int) -> torch.Tensor:
        """In which order the training rows are seen; kept for the epoch, since drawing it takes long for many rows."""
        if self._order is None or self._order[0] != epoch:
            rng = torch.Generator().manual_seed(_mix(self.options.seed, epoch, "order"))
            count, weights = len(self.task.rows["train"]), self.task.weights
            if weights is None:
                drawn = torch.randperm(count, generator=rng)
            else:
                drawn = torch.multinomial(weights, count, replacement=True, generator=rng)
            self._order = epoch, drawn
        return self._order[1]

    @torch.no_grad()
    def _measure(self, split: str) -> float | None:
        rows = self.task.rows.get(split)
        if rows is None or not len(rows):
            return None
        model = self.ema if self.ema is not None else self.model
        model.eval()
        total, size = 0.0, self.options.batch_size
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            with self._autocast():
                # The same noise each epoch, so that the curve shows the model and not the dice.
                total += float(self.task.measure(model, part, self._rng(start, split, 0))) * len(part)
        model.train()
        return total / len(rows)

    def _end_epoch(self, state: State) -> None:
        """Print the epoch as the textbook loop does, keep the best weights, let the task show itself."""
        first = next(iter(self.task.nets))
        train_loss = state.sums.get(first, math.nan) / max(state.counted, 1)
        valid = self._measure("valid")
        epoch = math.ceil(state.step / self.steps_per_epoch)
        shown = f"{valid:.4f}" if valid is not None else "none"
        self.track.say(f"Epoch {epoch}, Train Loss: {train_loss:.4f}, Valid Loss: {shown}")
        values = {f"epoch/{name}": total / state.counted for name, total in state.sums.items()}
        if valid is not None:
            values["valid/loss"] = valid
            if state.best is None or valid < state.best:
                state.best = valid
                self._save_best()
        self.track.scalars(values, state.step)
        state.sums, state.counted = {}, 0
        if self.rank == 0:
            with torch.no_grad():
                self.task.show(self.ema if self.ema is not None else self.model, self.track, state.step)

    def _log(self, state: State) -> None:
        values = {f"train/{name}": total / state.counted for name, total in state.sums.items()}
        values["train/rate"] = learning_rate(self.options, state.step - 1, self.steps_per_epoch, self.total)
        values["train/examples_per_second"] = (
            state.step * self.options.batch_size * self.options.accumulate / max(state.seconds, 1e-9)
        )
        self.track.scalars(values, state.step)

    def _save(self, state: State) -> None:
        state.scaler = self.scaler.state_dict()
        if self.rank == 0:
            checkpoint.save(self.track.folder, state, self.task.nets, self.optimizers, self.ema)

    def _save_best(self) -> None:
        if self.rank == 0:
            checkpoint.save_weights(
                self.ema if self.ema is not None else self.model, self.track.folder / "best.safetensors"
            )

    def _outcome(self, state: State, finished: bool, test: float | None = None) -> Outcome:
        if self.ema is not None and finished:
            self.model.load_state_dict(self.ema.state_dict())
        folder = self.track.folder / f"step-{state.step:07d}"
        self.track.close()
        return Outcome(finished, state.step, folder, state.best, test)

    def _broken(self, step: int, what: str) -> Stopped:
        kept = checkpoint.newest(self.track.folder)
        self.track.close()
        lower = f"learning_rate (now {self.options.learning_rate:g}) or clip (now {self.options.clip:g})"
        other = (
            ""
            if self.options.precision == "fp32"
            else f", or use precision fp32 instead of {self.options.precision}"
        )
        return Stopped(f"{what} at step {step}; lower {lower}{other}. The last good checkpoint is {kept}.")

    def _rng(self, step: int, name: str, part: int) -> torch.Generator:
        seed = _mix(self.options.seed, step * 1000 + part * self.world + self.rank, name)
        _seed_globally(self.device, seed)  # dropout draws from the global generator
        return torch.Generator().manual_seed(seed)

    def _autocast(self) -> torch.autocast:
        kind = torch.float16 if self.options.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.device.type, kind, enabled=self.options.precision != "fp32")


def learning_rate(options: LoopOptions, step: int, steps_per_epoch: int, total: int) -> float:
    """The rate of step `step` (from 0): linear warm-up, then constant, StepLR or cosine to zero."""
    if step < options.warmup_steps:
        return options.learning_rate * (step + 1) / options.warmup_steps
    factor = 1.0
    if options.schedule == "step":
        factor = options.gamma ** (step // steps_per_epoch // options.step_epochs)
    elif options.schedule == "cosine":
        span = max(total - options.warmup_steps, 1)
        factor = 0.5 * (1 + math.cos(math.pi * min((step - options.warmup_steps) / span, 1)))
    return options.learning_rate * factor


@torch.no_grad()
def _average(ema: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    # Early on the average must forget its random start, so the decay grows with the steps.
    keep = min(decay, (1 + step) / (10 + step))
    for old, new in zip(ema.parameters(), model.parameters(), strict=True):
        old.lerp_(new, 1 - keep)
    for old, new in zip(ema.buffers(), model.buffers(), strict=True):
        old.copy_(new)


def _mix(seed: int, step: int, name: str) -> int:
    """One 63-bit seed of (seed, step, name), the same on every machine."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{step}/{name}".encode(), digest_size=8).digest()) >> 1


def _seed_globally(device: torch.device, seed: int) -> None:
    """As torch.manual_seed, but only where this run computes: for devices that are not in use that one writes down
    its call stack each time, which costs a millisecond a step."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def _join_processes() -> tuple[int, int]:
    """(rank, processes) as a launcher set them up; (0, 1) without one."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return (distributed.get_rank(), world) if world > 1 else (0, 1)


def _mean_gradients(net: nn.Module, world: int) -> None:
    for parameter in net.parameters():
        if parameter.requires_grad:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            distributed.all_reduce(parameter.grad)
            parameter.grad /= world


def _save_memory(model: Any) -> None:
    for name in ("enable_gradient_checkpointing", "gradient_checkpointing_enable"):
        if hasattr(model, name):
            getattr(model, name)()
            return
    raise BadInput("This model cannot trade time for memory; switch gradient_checkpointing off.")
