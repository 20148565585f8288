"""Recipe: make a language model steadier, by training it on embeddings that were moved against it.

    python -m studio train harden_lm --data assets/training/blurbs.jsonl --out runs/steady \\
        --set base=runs/blurbs --set attack=fgm

The attacks stand in `lm_attack.py`; `--set attack=none` is plain training of the same length, which tells what part
of a gain is only more training. The weights that are kept are those with the best validation loss *under attack*.

Reported before and after on the held-out part: clean loss, loss under projected ascent of half, once and twice the
radius, and perplexity after typos and swapped synonyms in the prompt.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from studio.forge.base import recipes
from studio.forge.finetune_lm import (
    LanguageOptions,
    Work,
    finished,
    keep,
    kept_numbers,
    prepare,
    trainable,
)
from studio.forge.lm_attack import ATTACKS, Attack, attacked_loss, worst
from studio.forge.lm_noise import noisy, with_synonyms, with_typos
from studio.forge.lm_task import (
    Batch,
    Encoded,
    LanguageTask,
    encode,
    mean_loss,
    token_logits,
    token_losses,
)
from studio.forge.loop import Rows, train
from studio.forge.track import Track
from studio.options import option

if TYPE_CHECKING:
    import torch

EXAMINED = 20  # held-out examples that are attacked; each costs as much as twelve steps of training
REACH = (0.5, 1.0, 2.0)  # times the radius of training: a gain at one distance alone would prove little


@dataclass(frozen=True)
class HardenOptions(LanguageOptions):
    base: str = option("smollm2-135m", "Base model", hint="Best a run that knows the data already")
    attack: str = option("fgm", "Attack", choices=ATTACKS)
    radius: float = option(0.1, "Radius", low=0.0, high=10.0, hint="Of the mean length of an embedding")
    ascents: int = option(3, "Ascents", low=1, high=50, hint="Steps of pgd and freelb", advanced=True)
    ascent_rate: float = option(0.6, "Ascent rate", low=0.0, high=10.0, hint="Of the radius", advanced=True)
    noise_alpha: float = option(5.0, "Noise", low=0.0, high=100.0, hint="α of neftune", advanced=True)
    clean_share: float = option(0.5, "Clean share", low=0.0, high=1.0, hint="Weight of the unmoved loss")
    taught: float = option(
        0.5, "Taught by the start", low=0.0, high=1.0,
        hint="Part of the attacked loss that follows what the start predicts unattacked; fgm and pgd",
    )  # fmt: skip
    epochs: int = option(2, "Epochs", low=1, high=1_000_000)

    def against(self, kind: str = "") -> Attack:
        """The attack to train against; `kind` puts another in the place of the chosen one."""
        return Attack(
            kind or self.attack, self.radius, self.ascents, self.ascent_rate, self.noise_alpha,
            self.clean_share, self.taught,
        )  # fmt: skip


@recipes.register
class HardenLm:
    name: ClassVar[str] = "harden_lm"
    summary: ClassVar[str] = (
        "Makes a language model steadier against typos, other words and small disturbances."
    )
    Options: ClassVar[type] = HardenOptions

    def run(self, data: Path, options: HardenOptions, track: Track) -> Path:
        work = prepare(data, options, track)
        before = kept_numbers(track, "before", lambda: examine(work.model, work, options))
        track.say("Before: " + _words(before))
        net = trainable(work.model, options)
        if not train(HardenTask(net, work.encoded, work.rows, options), options, track).finished:
            return track.folder
        model = finished(net, track.folder, options.base)
        after = examine(model, work, options)
        track.say("After:  " + _words(after))
        track.say("Change: " + ", ".join(f"{name} {after[name] / before[name] - 1:+.1%}" for name in before))
        report = {f"{name}_before": value for name, value in before.items()}
        report |= {f"{name}_after": value for name, value in after.items()}
        return keep(self.name, model, work, options, report, track)


class HardenTask(LanguageTask):
    """The loss on moved embeddings. Validation is under one step of attack too, whatever the training was:
    by clean loss alone the steadiest weights would never be kept."""

    def __init__(
        self, net: Any, encoded: Sequence[Encoded], rows: dict[str, Rows], options: HardenOptions
    ) -> None:
        super().__init__(net, encoded, rows)
        self.attack, self.judge = options.against(), replace(options.against("fgm"), taught=0.0)
        self.start = _start(net) if options.taught and options.attack in ("fgm", "pgd") else None

    def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor | None:
        from studio.nets.lora import causal

        batch = self.batch(rows)
        taught = None if self.start is None else self.start(batch)
        return attacked_loss(causal(self.nets[net]), batch, self.attack, rng, taught)

    def measure(self, model: Any, rows: Rows, rng: torch.Generator) -> torch.Tensor:
        from studio.nets.lora import causal

        return attacked_loss(causal(model), self.batch(rows), self.judge, rng).detach()


def _start(net: Any) -> Callable[[Batch], torch.Tensor]:
    """What the model predicted before it was trained, as probabilities (tokens, vocabulary): the host of an
    adapter still does, of a model that is trained whole a copy is kept."""
    import torch

    from studio.nets.lora import LoraNet

    host = net.host if isinstance(net, LoraNet) else copy.deepcopy(net).requires_grad_(False).eval()
    off = net.switched_off if isinstance(net, LoraNet) else nullcontext

    def predict(batch: Batch) -> torch.Tensor:
        with torch.no_grad(), off():
            return token_logits(host, batch).softmax(-1)

    return predict


# --- Before and after ---------------------------------------------------------------------------


def examine(model: Any, work: Work, options: HardenOptions) -> dict[str, float]:
    """Clean and attacked losses, and perplexity clean, under typos and under synonyms, on held-out examples."""
    part = work.part("test")[:EXAMINED]
    told = [work.data.examples[row] for row in work.rows["test"][:EXAMINED]]

    def spoilt(noise: Callable[..., str]) -> float:
        tokens = [encode(work.tokenizer, noisy(one, noise, options.seed), options.max_tokens) for one in told]
        return math.exp(mean_loss(model, tokens))

    for parameter in model.parameters():
        parameter.requires_grad_(False)
    clean = mean_loss(model, part)
    found = {"clean_loss": clean}
    for times in REACH:
        name = "attacked_loss" if times == 1 else f"attacked_loss_{times * options.radius:g}"
        found[name] = loss_under_attack(model, part, times * options.radius, options)
    found |= {
        "perplexity": math.exp(clean),
        "perplexity_typos": spoilt(with_typos),
        "perplexity_synonyms": spoilt(with_synonyms),
    }
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return found


def loss_under_attack(model: Any, part: Sequence[Encoded], radius: float, options: HardenOptions) -> float:
    """Mean loss a token under projected ascent of this radius, whatever the training was against."""
    import torch

    def attacked(model: Any, batch: Batch) -> torch.Tensor:
        moved_by = worst(model, batch, radius, options.ascents, options.ascent_rate)
        with torch.no_grad():
            return token_losses(model, batch, model.get_input_embeddings()(batch.ids) + moved_by)

    return mean_loss(model, part, losses=attacked)


def _words(found: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in found.items())
