"""The one training loop. Every recipe brings a `Task`; nothing else in the studio steps an optimizer.

A step is: for each net in turn, `accumulate` micro-batches forward and backward, then one clipped
optimizer step. A plain model is one net; adversarial training is two (generator, discriminator).

Learning rate, shuffling and random numbers are functions of (seed, step), never of history, so a run
killed at any moment and resumed from its newest checkpoint goes the same way: bit for bit on a CPU with
the same number of threads, closely on a GPU.

Several devices: start with `accelerate launch` (or torchrun); each process then takes its share of every
batch and gradients are averaged. What is not covered: models too large for one device.
"""

from __future__ import annotations

from studio.forge.loop.options import LoopOptions
from studio.forge.loop.task import Outcome, Rows, Stopped, Task
from studio.forge.track import Track

__all__ = ["LoopOptions", "Outcome", "Rows", "Stopped", "Task", "train"]


def train(task: Task, options: LoopOptions, track: Track) -> Outcome:
    """Run `task` to the end of its budget, or until `track.stop`; the first net holds the final weights.

    Raises BadInput (no data, changed options on resume), Stopped (the loss is no number any more),
    StorageFull, OutOfMemory, ModelBroken (a checkpoint that does not fit).
    """
    from studio.forge.loop.run import Run  # here, so that listing recipes never loads torch

    return Run(task, options, track).run()
