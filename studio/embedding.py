"""Sentence embeddings by all-MiniLM-L6-v2, computed with numpy alone: no torch, 90 MB resident.

    vectors = embed(["a red apple", "an orange"], folder)    # float32 (2, 384), unit length
    states, mask = token_states(["a red apple"], folder, length=16)

`folder` holds `model.safetensors`, `config.json` and `tokenizer.json` (catalog entry `minilm-l6-v2`).
The model is English and was trained on at most 256 word pieces; longer text is cut there, so split
long documents before. Not covered: training, other poolings, other architectures than BERT.
Architecture: Devlin et al. 2019 (BERT), Wang et al. 2020 (MiniLM), Reimers & Gurevych 2019 (pooling).
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import ModelBroken, ModelMissing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

MODEL = "minilm-l6-v2"
WIDTH = 384
MAX_PIECES = 256
BATCH_PIECES = 2048
CACHED_VECTORS = 4096

_cache: OrderedDict[tuple[str, str], Floats] = OrderedDict()
_lock = threading.Lock()


def embed(texts: Sequence[str], folder: Path) -> Floats:
    """Unit-length mean-pooled vectors, float32 (len(texts), 384), in the order given.

    A text seen lately is not computed again. Raises ModelMissing or ModelBroken.
    """
    import numpy as np

    keys = [(str(folder), text) for text in texts]
    with _lock:
        known = {key: _cache[key] for key in keys if key in _cache}
    todo = list(dict.fromkeys(key for key in keys if key not in known))
    encoder = load(folder)
    pieces = [encoder.pieces(text) for _, text in todo]
    for batch in _batches([len(ids) for ids in pieces]):
        states, mask = encoder.forward([pieces[i] for i in batch])
        weights = mask[:, :, None].astype(np.float32)
        pooled = (states * weights).sum(axis=1) / weights.sum(axis=1)
        pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
        known |= {todo[i]: vector for i, vector in zip(batch, pooled, strict=True)}
    with _lock:
        _cache.update((key, known[key]) for key in todo)
        while len(_cache) > CACHED_VECTORS:
            _cache.popitem(last=False)
    return np.stack([known[key] for key in keys]) if keys else np.zeros((0, WIDTH), np.float32)


def token_states(texts: Sequence[str], folder: Path, length: int) -> tuple[Floats, NDArray[np.bool_]]:
    """The last layer for each word piece, cut or padded to `length`: what conditions a picture model.

    Returns float32 (len(texts), length, 384), zero where padded, and bool (len(texts), length), true
    where a piece stands. The sequence begins with [CLS] and ends with [SEP].
    """
    import numpy as np

    encoder = load(folder)
    states = np.zeros((len(texts), length, WIDTH), np.float32)
    mask = np.zeros((len(texts), length), bool)
    pieces = [encoder.pieces(text, length) for text in texts]
    for batch in _batches([len(ids) for ids in pieces]):
        found, here = encoder.forward([pieces[i] for i in batch])
        for row, i in enumerate(batch):
            n = len(pieces[i])
            states[i, :n], mask[i, :n] = found[row, :n], here[row, :n]
    return states, mask


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Indices in groups of similar length, so that little is spent on padding."""
    groups: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if groups and (len(groups[-1]) + 1) * lengths[i] <= BATCH_PIECES:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


@lru_cache(maxsize=2)
def load(folder: Path) -> Encoder:
    """The encoder of this folder, read once per process. Raises ModelMissing or ModelBroken."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        weights = load_file(folder / "model.safetensors")
        return Encoder(config, tokenizer, weights)
    except FileNotFoundError:
        raise ModelMissing(
            f"The embedding model is not here; run `python -m studio models pull {MODEL}`."
        ) from None
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise ModelBroken(
            f"The embedding model in {folder.name} cannot be read ({error}); "
            f"run `python -m studio models pull {MODEL}` again."
        ) from error
    except Exception as error:  # tokenizers raises bare Exception for a broken file
        raise ModelBroken(f"The tokenizer in {folder.name} cannot be read ({error}).") from error


class Encoder:
    """BERT's encoder in inference: `forward` maps word-piece ids to the last hidden states."""

    def __init__(self, config: dict[str, Any], tokenizer: Any, weights: dict[str, Floats]) -> None:
        import numpy as np
        from threadpoolctl import ThreadpoolController

        self.threads = ThreadpoolController()
        self.heads = int(config["num_attention_heads"])
        self.eps = np.float32(config["layer_norm_eps"])
        self.tokenizer = tokenizer
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.w = {name.removeprefix("bert."): value for name, value in weights.items()}
        for name in [name for name in self.w if name.endswith("dense.weight")]:
            self.w[name] = np.ascontiguousarray(self.w[name].T)  # BLAS takes twice as long over the other way
        if self.w["embeddings.word_embeddings.weight"].shape[1] != WIDTH:
            raise ValueError(f"its width is not {WIDTH}")
        self.layers = []
        for i in range(int(config["num_hidden_layers"])):
            at = f"encoder.layer.{i}.attention.self."
            parts = [
                (self.w[f"{at}{part}.weight"], self.w[f"{at}{part}.bias"])
                for part in ("query", "key", "value")
            ]
            qkv = (
                np.ascontiguousarray(np.concatenate([w for w, _ in parts]).T),
                np.concatenate([b for _, b in parts]),
            )
            self.layers.append((f"encoder.layer.{i}.", qkv))

    def pieces(self, text: str, length: int = MAX_PIECES) -> list[int]:
        """Word-piece ids with [CLS] and [SEP], at most `length` of them."""
        ids: list[int] = self.tokenizer.encode(text[: 16 * length]).ids
        return ids if len(ids) <= length else [*ids[: length - 1], ids[-1]]

    def forward(self, rows: Sequence[Sequence[int]]) -> tuple[Floats, NDArray[np.bool_]]:
        """float32 (rows, longest, 384) and the mask of real pieces."""
        import numpy as np

        longest = max(map(len, rows))
        ids = np.zeros((len(rows), longest), np.int64)
        mask = np.zeros((len(rows), longest), bool)
        for i, row in enumerate(rows):
            ids[i, : len(row)], mask[i, : len(row)] = row, True
        x = self.w["embeddings.word_embeddings.weight"][ids]
        x = x + self.w["embeddings.position_embeddings.weight"][:longest]
        x = self._norm(x + self.w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        hidden = np.where(mask, np.float32(0), np.float32(-1e9))[:, None, None, :]
        # One thread: BLAS threads spin, and beside a busy model two are ten times slower than one.
        with self.threads.limit(limits=1, user_api="blas"):
            for name, qkv in self.layers:
                x = self._layer(x, hidden, name, qkv)
        return x, mask

    def _layer(self, x: Floats, hidden: Floats, name: str, qkv: tuple[Floats, Floats]) -> Floats:
        import numpy as np

        n, length, width = x.shape
        split = (x @ qkv[0] + qkv[1]).reshape(n, length, 3, self.heads, width // self.heads)
        query, key, value = split.transpose(2, 0, 3, 1, 4)
        scores = query @ key.swapaxes(-1, -2) / np.float32(np.sqrt(width // self.heads)) + hidden
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = (scores @ value).swapaxes(1, 2).reshape(n, length, width)
        x = self._norm(
            x + self._dense(mixed, name + "attention.output.dense"), name + "attention.output.LayerNorm"
        )
        wide = self._dense(x, name + "intermediate.dense")
        wide *= np.float32(0.5) * (1 + _erf(wide * np.float32(np.sqrt(0.5))))
        return self._norm(x + self._dense(wide, name + "output.dense"), name + "output.LayerNorm")

    def _dense(self, x: Floats, name: str) -> Floats:
        result: Floats = x @ self.w[name + ".weight"] + self.w[name + ".bias"]
        return result

    def _norm(self, x: Floats, name: str) -> Floats:
        import numpy as np

        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt((x * x).mean(axis=-1, keepdims=True) + self.eps)
        return x * self.w[name + ".weight"] + self.w[name + ".bias"]


def _erf(x: Floats) -> Floats:
    """The error function to 7e-7 in a fifth of scipy's time (Abramowitz & Stegun 1964, 7.1.26)."""
    import numpy as np

    size = np.abs(x)
    t = 1 / (1 + np.float32(0.3275911) * size)
    sum_ = np.float32(1.061405429) * t
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        sum_ = (sum_ + np.float32(factor)) * t
    result: Floats = np.copysign(1 - sum_ * np.exp(-size * size), x)
    return result
