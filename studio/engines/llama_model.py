"""A GGUF model in llama.cpp: its vocabulary, its weights, and contexts to decode in.

Sequences are *slots*: each has its own stretch of the cache, so that a crowd does not slow each other's
attention. A context of `cells` tokens is cut into 8, 4, 2 or 1 slots, which costs the same memory.
"""

from __future__ import annotations

import ctypes as c
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from studio.engines.llama_capi import Batch, complaints, load_library
from studio.errors import ModelBroken, OutOfMemory
from studio.formats import check_weights

BATCH_TOKENS = 128


class Row(NamedTuple):
    """One token to decode: its place in its slot, and whether its logits are wanted."""

    token: int
    position: int
    slot: int
    wanted: bool


class LlamaModel:
    """One GGUF file. With `vocabulary_only` it tokenises but cannot decode: 20 MB and 0.1 s.

    Raises ModelBroken if the file is not what llama.cpp can take. Tokenising is safe for many threads.
    """

    def __init__(self, path: Path, *, vocabulary_only: bool = False, gpu: bool = False) -> None:
        check_weights(path)
        self._library = load_library()
        params = self._library.llama_model_default_params()
        params.vocab_only = vocabulary_only
        self.gpu = gpu and bool(self._library.llama_supports_gpu_offload())
        params.n_gpu_layers = -1 if self.gpu else 0
        complaints.clear()
        self._model = self._library.llama_model_load_from_file(str(path).encode(), params)
        if not self._model:
            reason = complaints[0] if complaints else "no reason given"
            raise ModelBroken(f"llama.cpp does not take the model file {path.name}: {reason[:200]}.")
        self._vocabulary = self._library.llama_model_get_vocab(self._model)
        self.size = int(self._library.llama_vocab_n_tokens(self._vocabulary))
        self.trained_context = int(self._library.llama_model_n_ctx_train(self._model))
        self.chat_template = self._meta("tokenizer.chat_template")
        self.bos = self._text(self._library.llama_vocab_bos(self._vocabulary))
        self.eos = self._text(self._library.llama_vocab_eos(self._vocabulary))
        self._pieces: dict[int, bytes] = {}

    def tokenize(self, text: str, special: bool = False, start: bool = False) -> list[int]:
        """Token ids of `text`. `special` reads control tokens in it, `start` adds those of a beginning."""
        data = text.encode("utf-8", errors="replace")
        room = len(data) + 8
        ids = (c.c_int32 * room)()
        count = self._library.llama_tokenize(self._vocabulary, data, len(data), ids, room, start, special)
        if count < 0:
            raise ModelBroken("The model's tokenizer gives more tokens than the text has bytes.")
        return ids[:count]

    def piece(self, token: int) -> bytes:
        """The bytes that `token` writes; control tokens write none."""
        known = self._pieces.get(token)
        if known is None:
            room = 64
            while True:
                buffer = c.create_string_buffer(room)
                size = self._library.llama_token_to_piece(self._vocabulary, token, buffer, room, 0, False)
                if size >= 0:
                    break
                room = -size
            known = self._pieces[token] = buffer.raw[:size]
        return known

    def is_end(self, token: int) -> bool:
        return bool(self._library.llama_vocab_is_eog(self._vocabulary, token))

    def context(self, slots: int, cells: int, threads: int) -> LlamaContext:
        return LlamaContext(self._library, self._model, slots, cells, threads, self.size)

    def close(self) -> None:
        """Free the weights. Contexts must be closed before."""
        if self._model:
            self._library.llama_model_free(self._model)
            self._model = None

    def _meta(self, key: str) -> str | None:
        room = self._library.llama_model_meta_val_str(self._model, key.encode(), None, 0) + 1
        if room <= 0:
            return None
        buffer = c.create_string_buffer(room)
        self._library.llama_model_meta_val_str(self._model, key.encode(), buffer, room)
        return buffer.value.decode("utf-8", errors="replace")

    def _text(self, token: int) -> str:
        text = self._library.llama_vocab_get_text(self._vocabulary, token) if token >= 0 else b""
        return (text or b"").decode("utf-8", errors="replace")


class LlamaContext:
    """Memory of `slots` texts of `room` tokens each. For one thread."""

    def __init__(
        self, library: Any, model: Any, slots: int, cells: int, threads: int, vocabulary: int
    ) -> None:
        self._library = library
        params = library.llama_context_default_params()
        params.n_ctx, params.n_seq_max, params.n_outputs_max = cells, slots, slots
        params.n_batch = params.n_ubatch = BATCH_TOKENS
        params.n_threads = params.n_threads_batch = threads
        self._context = library.llama_init_from_model(model, params)
        if not self._context:
            raise OutOfMemory(
                f"There is no room for a context of {cells} tokens; close other programs or take a smaller model."
            )
        self.slots, self.room = slots, int(library.llama_n_ctx_seq(self._context))
        self._memory = library.llama_get_memory(self._context)
        self._batch: Batch = library.llama_batch_init(BATCH_TOKENS, 0, 1)
        self._row = c.c_float * vocabulary

    def decode(self, rows: Sequence[Row]) -> None:
        """Run the model over up to BATCH_TOKENS rows; afterwards `logits` reads the wanted ones."""
        batch = self._batch
        for i, (token, position, slot, wanted) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, position, 1, wanted
            batch.seq_id[i][0] = slot
        batch.n_tokens = len(rows)
        status = self._library.llama_decode(self._context, batch)
        if status == -2:
            raise OutOfMemory("The language model ran out of memory; ask for fewer or shorter texts at once.")
        if status:
            raise RuntimeError(f"llama_decode answered {status}")

    def logits(self, row: int) -> NDArray[np.float32]:
        """Float32 (vocabulary,) of a wanted row: a view that is true until the next `decode`."""
        pointer = self._library.llama_get_logits_ith(self._context, row)
        view: NDArray[np.float32] = np.frombuffer(
            memoryview(self._row.from_address(c.addressof(pointer.contents))), dtype=np.float32
        )
        return view

    def truncate(self, slot: int, length: int) -> bool:
        """Forget all but the first `length` tokens of a slot; False (all forgotten) if it can only forget all."""
        if self._library.llama_memory_seq_rm(self._memory, slot, length, -1):
            return True
        self._library.llama_memory_seq_rm(self._memory, slot, -1, -1)
        return False

    def copy(self, source: int, target: int) -> None:
        """Make `target` remember what `source` does."""
        self._library.llama_memory_seq_rm(self._memory, target, -1, -1)
        self._library.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def set_threads(self, threads: int) -> None:
        self._library.llama_set_n_threads(self._context, threads, threads)

    def close(self) -> None:
        if self._context:
            self._library.llama_batch_free(self._batch)
            self._library.llama_free(self._context)
            self._context = None
