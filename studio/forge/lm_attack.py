"""Embeddings moved against a language model: x' = x + ε, where ε raises the loss and stays in a ball.

x are the embeddings of all tokens of an example, prompt and answer; ‖ε‖ (Frobenius, over the whole example) is at
most `radius` · mean length of an embedding · √tokens. So an attack may spread over all words or strike at a few.

- `fgm` one step along the gradient (Miyato et al. 2017)
- `pgd` `ascents` steps with projection back into the ball (Madry et al. 2018)
- `freelb` as pgd from a random start, with the mean of the losses on the way (Zhu et al. 2020)
- `neftune` uniform noise without a gradient, the cheap baseline (Jain et al. 2023)
- `none` no movement

Besides the words of the data, the model may be taught what the start predicts where nothing is moved (as in robust
distillation, Goldblum et al. 2020): few examples are then not learnt by heart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.forge.lm_task import IGNORED, Batch, token_logits, token_losses

if TYPE_CHECKING:
    import torch

ATTACKS = ("fgm", "pgd", "freelb", "neftune", "none")


@dataclass(frozen=True, slots=True)
class Attack:
    """`rate` is the length of an ascent as a share of the ball; `noise` is α of neftune; `clean_share` is the
    weight of the loss on unmoved embeddings, `taught` how much of the other loss follows the start's predictions."""

    kind: str = "fgm"
    radius: float = 0.1
    ascents: int = 3
    rate: float = 0.6
    noise: float = 5.0
    clean_share: float = 0.5
    taught: float = 0.0


def attacked_loss(
    model: Any, batch: Batch, attack: Attack, rng: torch.Generator, taught: torch.Tensor | None = None
) -> torch.Tensor:
    """The scalar that training against `attack` minimises on a batch. Leaves no gradients behind.

    `taught` (tokens, vocabulary), what the start predicts on unmoved embeddings, is the target for `attack.taught`
    of the loss on moved ones (fgm and pgd): the words of the data alone are soon learnt by heart.
    """
    clean = model.get_input_embeddings()(batch.ids)
    if attack.kind == "none":
        return token_losses(model, batch, clean).mean()
    if attack.kind == "neftune":
        length = batch.mask.sum(1).float()[:, None, None]
        scale = attack.noise / (length * clean.shape[-1]).sqrt()
        return token_losses(model, batch, clean + _uniform(clean, batch, rng) * scale).mean()
    if attack.kind == "freelb":
        return _freelb(model, batch, clean, attack, rng)
    share = attack.clean_share
    # The first ascent begins where the clean loss is taken, so both share one forward pass.
    unmoved, slope = _loss_and_slope(model, batch, clean, keep=share > 0)
    ascents = 1 if attack.kind == "fgm" else attack.ascents
    rate = 1.0 if attack.kind == "fgm" else attack.rate
    moved = clean + _ascend_from(model, batch, clean.detach(), slope, attack.radius, ascents, rate)
    loss = _taught_loss(model, batch, moved, attack.taught, taught)
    return (1 - share) * loss + share * unmoved if share else loss


def _taught_loss(
    model: Any, batch: Batch, moved: torch.Tensor, part: float, taught: torch.Tensor | None
) -> torch.Tensor:
    """Mean cross-entropy to the words of the data and, for `part` of it, to the probabilities `taught`."""
    import torch

    if taught is None or not part:
        return token_losses(model, batch, moved).mean()
    logits, targets = token_logits(model, batch, moved), batch.labels[:, 1:]
    cross_entropy = torch.nn.functional.cross_entropy
    told = cross_entropy(logits, targets[targets != IGNORED])
    return (1 - part) * told + part * cross_entropy(logits, taught)


def worst(model: Any, batch: Batch, radius: float, ascents: int, rate: float) -> torch.Tensor:
    """The ε (n, length, width) in the ball that raises the loss most, by projected ascent from zero."""
    import torch

    with torch.no_grad():
        clean = model.get_input_embeddings()(batch.ids)
    _, slope = _loss_and_slope(model, batch, clean, keep=False)
    return _ascend_from(model, batch, clean, slope, radius, ascents, rate)


def _loss_and_slope(
    model: Any, batch: Batch, embeddings: torch.Tensor, *, keep: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean loss and its gradient by the embeddings; with `keep` the loss can still be trained on."""
    import torch

    with torch.enable_grad():
        at = embeddings if embeddings.requires_grad else embeddings.detach().requires_grad_()
        loss = token_losses(model, batch, at).mean()
        (slope,) = torch.autograd.grad(loss, at, retain_graph=keep)
    return loss, slope


def _ascend_from(
    model: Any, batch: Batch, clean: torch.Tensor, slope: torch.Tensor, radius: float, ascents: int, rate: float
) -> torch.Tensor:  # fmt: skip
    import torch

    bound = _bound(clean, batch.mask, radius)
    moved_by = _ascend(torch.zeros_like(clean), slope, batch.mask, bound, rate)
    for _ in range(ascents - 1):
        _, slope = _loss_and_slope(model, batch, clean + moved_by, keep=False)
        moved_by = _ascend(moved_by, slope, batch.mask, bound, rate)
    return moved_by


def _freelb(
    model: Any, batch: Batch, clean: torch.Tensor, attack: Attack, rng: torch.Generator
) -> torch.Tensor:
    """The mean loss over the whole ascent, so that no gradient of it is thrown away."""
    import torch

    bound = _bound(clean, batch.mask, attack.radius)
    moved_by = _within(_uniform(clean, batch, rng), bound) * attack.rate
    losses = []
    for number in range(attack.ascents):
        moved_by = moved_by.detach().requires_grad_()
        losses.append(token_losses(model, batch, clean + moved_by).mean())
        if number + 1 < attack.ascents:
            (slope,) = torch.autograd.grad(losses[-1], moved_by, retain_graph=True)
            moved_by = _ascend(moved_by, slope, batch.mask, bound, attack.rate)
    share = attack.clean_share
    attacked = torch.stack(losses).mean()
    return (1 - share) * attacked + share * token_losses(model, batch, clean).mean() if share else attacked


def _uniform(clean: torch.Tensor, batch: Batch, rng: torch.Generator) -> torch.Tensor:
    """Noise in [−1, 1], zero on padding; drawn where `rng` lives, so that every device draws the same."""
    import torch

    return (torch.rand(clean.shape, generator=rng).to(clean.device) * 2 - 1) * batch.mask[..., None]


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
