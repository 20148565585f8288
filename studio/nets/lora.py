"""LoRA (Hu et al. 2021) as a net of its own, so that a training state holds the adapter and not its host."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import nn


class LoraNet(nn.Module):
    """The trainable adapter on a frozen `host`: a causal language model of transformers, or any other net
    with `targets` naming its layers and no `task`.

    Calling it calls the host with the adapter on. Parameters and state are those of the adapter alone,
    a hundredth of the model; a copy (for averaging) brings a host of its own.
    """

    def __init__(
        self, host: nn.Module, rank: int, alpha: float, dropout: float,
        targets: str | list[str] = "all-linear", task: str | None = "CAUSAL_LM",
    ) -> None:  # fmt: skip
        from peft import LoraConfig, get_peft_model

        super().__init__()
        config = LoraConfig(
            r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets, task_type=task
        )
        with warnings.catch_warnings():
            # peft asks transformers by a name that is on its way out.
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            wrapped = get_peft_model(host, config)
        # Not a submodule: what is registered is what is saved.
        self.__dict__["wrapped"] = wrapped
        named = [(name, one) for name, one in wrapped.named_parameters() if one.requires_grad]
        self.adapter = nn.ParameterDict({name.replace(".", "-"): one for name, one in named})

    @property
    def host(self) -> Any:
        return self.__dict__["wrapped"].get_base_model()

    def forward(self, *inputs: Any, **named: Any) -> Any:
        return self.host(*inputs, **named)

    def train(self, mode: bool = True) -> LoraNet:
        super().train(mode)
        self.__dict__["wrapped"].train(mode)
        return self

    def switched_off(self) -> AbstractContextManager[None]:
        """Within it the host computes as if there were no adapter."""
        off: AbstractContextManager[None] = self.__dict__["wrapped"].disable_adapter()
        return off

    def gradient_checkpointing_enable(self) -> None:
        self.host.gradient_checkpointing_enable()
        self.host.enable_input_require_grads()

    def save_adapter(self, folder: Path, base: str) -> None:
        """In the format of peft: adapter_config.json and adapter_model.safetensors. `base` is only a name."""
        wrapped = self.__dict__["wrapped"]
        for config in wrapped.peft_config.values():
            config.base_model_name_or_path = base
        wrapped.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)

    def adapter_state(self) -> dict[str, torch.Tensor]:
        """The adapter's tensors by the names that peft gives them."""
        from peft import get_peft_model_state_dict

        state: dict[str, torch.Tensor] = get_peft_model_state_dict(self.__dict__["wrapped"])
        return state

    def merged(self) -> Any:
        """The host with the adapter added into its weights; this net is of no use afterwards."""
        with torch.no_grad():
            return self.__dict__["wrapped"].merge_and_unload()


def causal(net: Any) -> Any:
    """The causal language model behind a net: its host for an adapter, otherwise itself."""
    return net.host if isinstance(net, LoraNet) else net
