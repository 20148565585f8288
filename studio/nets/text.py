"""Token states of a sentence encoder (all-MiniLM-L6-v2), the language of all picture models.

A caption becomes at most `LENGTH` states of width 384, zero-padded, with a mask of the real ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

LENGTH = 16
WIDTH = 384


class TextEncoder:
    """MiniLM on the CPU or any torch device; `load` reads a folder with model.safetensors."""

    def __init__(self, tokenizer: Any, model: Any) -> None:
        self.tokenizer, self.model = tokenizer, model

    @classmethod
    def load(cls, folder: Path) -> TextEncoder:
        from transformers import AutoModel, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
        return cls(tokenizer, model)

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """float32 states (n, LENGTH, 384), zero where padded, and their bool mask (n, LENGTH)."""
        batch = self.tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt"
        ).to(self.model.device)
        mask = batch["attention_mask"].bool()
        states = self.model(**batch).last_hidden_state.float()
        return states * mask[..., None], mask

    @torch.no_grad()
    def ragged(self, texts: Sequence[str]) -> list[NDArray[np.float16]]:
        """fp16 (tokens, 384) of each text, without padding."""
        batch = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=LENGTH, return_tensors="pt"
        )
        batch = batch.to(self.model.device)
        states = self.model(**batch).last_hidden_state.half().cpu().numpy()
        lengths = batch["attention_mask"].sum(1).tolist()
        return [state[:length] for state, length in zip(states, lengths, strict=True)]


def sentence(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The encoder's sentence embedding (n, 384): mean over real tokens, unit length."""
    mean = states.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
    return torch.nn.functional.normalize(mean, dim=-1)
