"""Recipe: make a language model steadier, by training it on embeddings that were moved against it.

    python -m studio train harden_lm --data assets/training/blurbs.jsonl --out runs/steady \\
        --set base=runs/blurbs --set attack=fgm

x' = x + ε, where x are the embeddings of all tokens of an example and ‖ε‖ at most `radius` times their mean
length (times √tokens, over the whole example):

- `fgm` one step along the gradient (Miyato et al. 2017); clean and moved loss are averaged
- `pgd` `ascents` steps with projection back into the ball (Madry et al. 2018)
- `freelb` as pgd from a random start, with the mean of the losses on the way (Zhu et al. 2020)
- `neftune` uniform noise without a gradient, the cheap baseline (Jain et al. 2023)
- `none` plain training of the same length: what part of the gain is only more training

Reported before and after on the held-out part: clean loss, loss under a PGD attack of the same radius, and
perplexity after typos and swapped synonyms in the prompt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from studio.forge.lm_noise import noisy, with_synonyms, with_typos
from studio.forge.lm_task import Batch, Encoded, LanguageTask, encode, mean_loss, token_losses
from studio.forge.loop import Rows, train
from studio.forge.track import Track
from studio.options import option

if TYPE_CHECKING:
    import torch

EXAMINED = 12  # held-out examples that are attacked; each costs as much as four steps of training


@dataclass(frozen=True)
class HardenOptions(LanguageOptions):
    base: str = option("smollm2-135m", "Base model", hint="Best a run that knows the data already")
    attack: str = option("fgm", "Attack", choices=("fgm", "pgd", "freelb", "neftune", "none"))
    radius: float = option(0.03, "Radius", low=0.0, high=10.0, hint="Of the mean length of an embedding")
    ascents: int = option(3, "Ascents", low=1, high=50, hint="Steps of pgd and freelb", advanced=True)
    ascent_rate: float = option(0.6, "Ascent rate", low=0.0, high=10.0, hint="Of the radius", advanced=True)
    noise_alpha: float = option(5.0, "Noise", low=0.0, high=100.0, hint="α of neftune", advanced=True)
    clean_share: float = option(0.5, "Clean share", low=0.0, high=1.0, hint="Weight of the unmoved loss")
    epochs: int = option(1, "Epochs", low=1, high=1_000_000)
    learning_rate: float = option(5e-4, "Learning rate", low=0.0, high=1.0)


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
    """The loss on moved embeddings; validation is on clean text, as the model will be used."""

    def __init__(
        self, net: Any, encoded: Sequence[Encoded], rows: dict[str, Rows], options: HardenOptions
    ) -> None:
        super().__init__(net, encoded, rows)
        self.options = options

    def loss(self, net: str, rows: Rows, rng: torch.Generator, step: int) -> torch.Tensor | None:
        from studio.nets.lora import causal

        return attacked_loss(causal(self.nets[net]), self.batch(rows), self.options, rng)


def attacked_loss(model: Any, batch: Batch, options: HardenOptions, rng: torch.Generator) -> torch.Tensor:
    """The scalar that `options.attack` minimises on a batch."""
    import torch

    clean = model.get_input_embeddings()(batch.ids)
    if options.attack == "none":
        return token_losses(model, batch, clean).mean()
    if options.attack == "neftune":
        noise = torch.rand(clean.shape, generator=rng).to(clean.device) * 2 - 1
        length = batch.mask.sum(1).float()[:, None, None]
        scale = options.noise_alpha / (length * clean.shape[-1]).sqrt()
        return token_losses(model, batch, clean + noise * scale * batch.mask[..., None]).mean()
    if options.attack == "freelb":
        return _freelb(model, batch, clean, options, rng)
    # The ascent keeps no graph: the step below is computed once, at the place it ends.
    ascents = 1 if options.attack == "fgm" else options.ascents
    rate = 1.0 if options.attack == "fgm" else options.ascent_rate
    moved = clean + worst(model, batch, options.radius, ascents, rate)
    share = options.clean_share
    loss = (1 - share) * token_losses(model, batch, moved).mean()
    return loss + share * token_losses(model, batch, clean).mean() if share else loss


def _freelb(
    model: Any, batch: Batch, clean: torch.Tensor, options: HardenOptions, rng: torch.Generator
) -> torch.Tensor:
    """The mean loss over the whole ascent, so that no gradient of it is thrown away."""
    import torch

    bound = _bound(clean, batch.mask, options.radius)
    start = torch.rand(clean.shape, generator=rng).to(clean.device) * 2 - 1
    moved_by = _within(start * batch.mask[..., None], bound) * options.ascent_rate
    losses = []
    for number in range(options.ascents):
        moved_by = moved_by.detach().requires_grad_()
        losses.append(token_losses(model, batch, clean + moved_by).mean())
        if number + 1 < options.ascents:
            (slope,) = torch.autograd.grad(losses[-1], moved_by, retain_graph=True)
            moved_by = _ascend(moved_by, slope, batch.mask, bound, options.ascent_rate)
    share = options.clean_share
    attacked = torch.stack(losses).mean()
    return (1 - share) * attacked + share * token_losses(model, batch, clean).mean() if share else attacked


def worst(model: Any, batch: Batch, radius: float, ascents: int, rate: float) -> torch.Tensor:
    """The ε (n, length, width) in the ball that raises the loss most, by projected ascent from zero."""
    import torch

    with torch.no_grad():
        clean = model.get_input_embeddings()(batch.ids)
    bound = _bound(clean, batch.mask, radius)
    moved_by = torch.zeros_like(clean)
    for _ in range(ascents):
        moved_by.requires_grad_()
        loss = token_losses(model, batch, clean + moved_by).mean()
        (slope,) = torch.autograd.grad(loss, moved_by)
        moved_by = _ascend(moved_by, slope, batch.mask, bound, rate)
    return moved_by.detach()


def _bound(clean: torch.Tensor, mask: torch.Tensor, radius: float) -> torch.Tensor:
    """(n, 1, 1): the longest ε of each example, a Frobenius norm."""
    lengths = clean.detach().norm(dim=-1) * mask
    count = mask.sum(1)
    return (radius * lengths.sum(1) / count * count.float().sqrt())[:, None, None]


def _ascend(
    moved_by: torch.Tensor, slope: torch.Tensor, mask: torch.Tensor, bound: torch.Tensor, rate: float
) -> torch.Tensor:
    slope = slope * mask[..., None]
    size = slope.flatten(1).norm(dim=1)[:, None, None].clamp_min(1e-12)
    return _within(moved_by.detach() + rate * bound * slope / size, bound)


def _within(moved_by: torch.Tensor, bound: torch.Tensor) -> torch.Tensor:
    size = moved_by.flatten(1).norm(dim=1)[:, None, None].clamp_min(1e-12)
    return moved_by * (bound / size).clamp_max(1.0)


# --- Before and after ---------------------------------------------------------------------------


def examine(model: Any, work: Work, options: HardenOptions) -> dict[str, float]:
    """Clean and attacked loss, and perplexity clean, under typos and under synonyms, on held-out examples."""
    import torch

    part = work.part("test")[:EXAMINED]
    told = [work.data.examples[row] for row in work.rows["test"][:EXAMINED]]

    def attacked(model: Any, batch: Batch) -> torch.Tensor:
        moved_by = worst(model, batch, options.radius, options.ascents, options.ascent_rate)
        with torch.no_grad():
            return token_losses(model, batch, model.get_input_embeddings()(batch.ids) + moved_by)

    def spoilt(noise: Callable[..., str]) -> float:
        tokens = [encode(work.tokenizer, noisy(one, noise, options.seed), options.max_tokens) for one in told]
        return math.exp(mean_loss(model, tokens))

    for parameter in model.parameters():
        parameter.requires_grad_(False)
    clean = mean_loss(model, part)
    found = {
        "clean_loss": clean,
        "attacked_loss": mean_loss(model, part, losses=attacked),
        "perplexity": math.exp(clean),
        "perplexity_typos": spoilt(with_typos),
        "perplexity_synonyms": spoilt(with_synonyms),
    }
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return found


def _words(found: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in found.items())
