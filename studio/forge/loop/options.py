"""The options that every recipe shares because the one loop reads them. A recipe's `Options` extends these."""

from __future__ import annotations

from dataclasses import dataclass

from studio.options import option


@dataclass(frozen=True)
class LoopOptions:
    epochs: int = option(10, "Epochs", low=1, high=1_000_000, hint="Times the data is gone through")
    steps: int = option(
        0, "Steps", low=0, high=100_000_000, hint="Ends earlier after this many; 0: by epochs"
    )
    batch_size: int = option(32, "Batch size", low=1, high=65_536)
    accumulate: int = option(1, "Accumulate", low=1, high=4096, hint="Batches per step", advanced=True)
    learning_rate: float = option(1e-3, "Learning rate", low=0.0, high=10.0)
    optimizer: str = option("adamw", "Optimizer", choices=("adam", "adamw", "muon"))
    beta1: float = option(0.9, "Beta 1", low=0.0, high=0.9999, advanced=True)
    beta2: float = option(0.999, "Beta 2", low=0.0, high=0.99999, advanced=True)
    weight_decay: float = option(0.01, "Weight decay", low=0.0, high=1.0, advanced=True)
    schedule: str = option("cosine", "Schedule", choices=("step", "cosine", "constant"))
    warmup_steps: int = option(0, "Warm-up steps", low=0, high=1_000_000)
    step_epochs: int = option(1, "StepLR period", low=1, high=100_000, hint="Epochs per step", advanced=True)
    gamma: float = option(0.5, "StepLR factor", low=0.0, high=1.0, advanced=True)
    clip: float = option(1.0, "Clip gradients at", low=0.0, high=1e6, hint="Norm; 0: never", advanced=True)
    ema: float = option(0.0, "Averaging (EMA)", low=0.0, high=0.99999, hint="Decay; 0: none", advanced=True)
    precision: str = option("fp32", "Precision", choices=("fp32", "bf16", "fp16"))
    gradient_checkpointing: bool = option(
        False, "Save memory", hint="Slower, needs less memory", advanced=True
    )
    seed: int = option(0, "Seed", low=0, high=2**31 - 1)
    checkpoint_seconds: float = option(180.0, "Checkpoint every (s)", low=0.0, high=86_400.0, advanced=True)
    log_every: int = option(10, "Log every (steps)", low=1, high=100_000, advanced=True)
