"""Taking whole parts out of a Llama model: attention heads, MLP channels, layers. What is left is dense and faster.

Which parts matter least is read from a few examples, in one backward pass:

- channels and heads by |activation · gradient| (Molchanov et al. 2019; for heads Michel et al. 2019)
- layers by how little they turn the residual stream, 1 − cos (block influence, Men et al. 2024)

Heads leave in groups that share one key and value, and every layer loses equally many, because the format of
transformers and GGUF gives all layers one shape.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.errors import BadInput
from studio.forge.gguf_write import check_architecture
from studio.forge.lm_task import Batch, token_losses

if TYPE_CHECKING:
    import torch

BLOCK = 32  # widths stay multiples of the block that GGUF quantises together


@dataclass(frozen=True)
class Importance:
    """What each part adds, per layer: `heads` (layers, groups), `channels` (layers, width), `layers` (layers,)."""

    heads: torch.Tensor
    channels: torch.Tensor
    layers: torch.Tensor


def importance(model: Any, batches: Sequence[Batch]) -> Importance:
    """Measured on `batches`; needs gradients of activations only, the weights stay as they are."""
    import torch

    config, inner = model.config, model.get_decoder()
    count, groups = config.num_hidden_layers, config.num_key_value_heads
    heads = torch.zeros(count, groups)
    channels = torch.zeros(count, config.intermediate_size)
    turned = torch.zeros(count)
    seen: dict[tuple[str, int], torch.Tensor] = {}
    hooks = []

    for number, layer in enumerate(inner.layers):
        hooks.append(layer.self_attn.o_proj.register_forward_pre_hook(_keep(seen, ("heads", number))))
        hooks.append(layer.mlp.down_proj.register_forward_pre_hook(_keep(seen, ("channels", number))))
        hooks.append(layer.register_forward_hook(_turn(turned, number)))
    try:
        for batch in batches:
            token_losses(model, batch).mean().backward()
            for (kind, number), one in seen.items():
                effect = _effect(one)
                if kind == "channels":
                    channels[number] += effect.abs().sum(0)
                else:
                    heads[number] += effect.unflatten(-1, (groups, -1)).sum(-1).abs().sum(0)
            seen.clear()
            model.zero_grad(set_to_none=True)
    finally:
        for hook in hooks:
            hook.remove()
    return Importance(heads, channels, turned)


def _keep(seen: dict[tuple[str, int], torch.Tensor], key: tuple[str, int]) -> Any:
    """A hook that keeps a matrix's input, to read its gradient afterwards."""

    def hook(module: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        one = inputs[0] if inputs[0].requires_grad else inputs[0].detach().requires_grad_()
        one.retain_grad()
        seen[key] = one
        return (one, *inputs[1:])

    return hook


def _turn(turned: torch.Tensor, number: int) -> Any:
    """A hook that adds how much a layer turns its input."""

    def hook(module: Any, inputs: tuple[torch.Tensor, ...], output: Any) -> None:
        import torch

        after = output[0] if isinstance(output, tuple) else output
        like = torch.nn.functional.cosine_similarity(inputs[0].detach(), after.detach(), dim=-1)
        turned[number] += 1 - like.mean()

    return hook


def _effect(one: torch.Tensor) -> torch.Tensor:
    """Activation times gradient, (tokens, width): what the loss would change without it, to first order."""
    assert one.grad is not None
    return (one.detach() * one.grad).flatten(0, -2)


def without_heads(model: Any, found: Importance, groups: int) -> Any:
    """`model` with the `groups` least important groups of heads less in every layer."""
    config = model.config
    left = config.num_key_value_heads - groups
    heads = config.num_attention_heads // config.num_key_value_heads * left
    if left < 1 or config.hidden_size % heads:
        fitting = [
            n
            for n in range(config.num_key_value_heads)
            if config.hidden_size % (config.num_attention_heads - n * config.num_attention_heads // config.num_key_value_heads) == 0
        ]  # fmt: skip
        raise BadInput(f"{groups} groups of heads cannot leave this model; choose one of: {fitting}.")
    kept = [sorted(row.topk(left).indices.tolist()) for row in found.heads]
    each = config.num_attention_heads // config.num_key_value_heads * config.head_dim

    def rows(layer: int, size: int) -> Any:
        return [place for group in kept[layer] for place in range(group * size, (group + 1) * size)]

    cuts = {
        "q_proj": (0, each),
        "k_proj": (0, config.head_dim),
        "v_proj": (0, config.head_dim),
        "o_proj": (1, each),
    }
    changes = {"num_attention_heads": heads, "num_key_value_heads": left}
    return _rebuilt(
        model,
        changes,
        lambda layer, part: (cuts[part][0], rows(layer, cuts[part][1])) if part in cuts else None,
    )


def without_channels(model: Any, found: Importance, share: float) -> Any:
    """`model` with about `share` of its MLP channels less in every layer, the least important ones."""
    width = model.config.intermediate_size
    left = max(BLOCK, round(width * (1 - share) / BLOCK) * BLOCK)
    kept = [sorted(row.topk(left).indices.tolist()) for row in found.channels]
    cuts = {"gate_proj": 0, "up_proj": 0, "down_proj": 1}
    return _rebuilt(
        model,
        {"intermediate_size": left},
        lambda layer, part: (cuts[part], kept[layer]) if part in cuts else None,
    )


def without_layers(model: Any, found: Importance, count: int) -> tuple[Any, Importance]:
    """`model` without its `count` least important layers, never the first or last; and what is left of `found`."""
    total = model.config.num_hidden_layers
    if count > total - 2:
        raise BadInput(f"At most {total - 2} of {total} layers can go, since the first and the last stay.")
    inner = found.layers[1:-1]
    gone = {1 + int(place) for place in inner.topk(count, largest=False).indices}
    kept = [number for number in range(total) if number not in gone]
    smaller = _rebuilt(model, {"num_hidden_layers": len(kept)}, lambda layer, part: None, kept)
    return smaller, Importance(found.heads[kept], found.channels[kept], found.layers[kept])


def _rebuilt(model: Any, changes: dict[str, int], cut: Any, layers: Sequence[int] | None = None) -> Any:
    """A new model of the changed shape; `cut(layer, part)` is (axis, kept places) of a matrix or None."""
    import torch

    check_architecture(model.config)
    config = copy.deepcopy(model.config)
    for name, value in changes.items():
        setattr(config, name, value)
    places = list(layers if layers is not None else range(model.config.num_hidden_layers))
    state: dict[str, torch.Tensor] = {}
    for key, value in model.state_dict().items():
        if not key.startswith("model.layers."):
            state[key] = value
            continue
        number, _, rest = key.removeprefix("model.layers.").partition(".")
        if int(number) not in places:
            continue
        chosen = cut(int(number), rest.split(".")[-2])
        if chosen is not None:
            value = value.index_select(chosen[0], torch.tensor(chosen[1]))
        state[f"model.layers.{places.index(int(number))}.{rest}"] = value
    smaller = type(model)(config)
    smaller.load_state_dict(state)
    smaller.generation_config = model.generation_config
    return smaller.eval()
