"""The few functions of llama.cpp's C interface that the studio needs, by ctypes.

They are those of the library inside the `xllamacpp` wheel (Linux, macOS). Its own server answers in
JSON and chooses tokens itself; here the logits are read in place, which leaves the choice of the token
to our sampler at no cost. C structures have no version, so `load_library` compares the defaults that
the library fills in with those expected here and refuses another layout.

What is *not* here: batching (llama_batch.py), sampling, files (gguf_file.py).
"""

from __future__ import annotations

import ctypes as c
import functools
import logging
import os
import sys
from collections import deque
from typing import Any

from studio.errors import ModelMissing

logger = logging.getLogger(__name__)

WANTED = "xllamacpp==2026.10.11549"

# What llama.cpp last complained of; its functions return only NULL.
complaints: deque[str] = deque(maxlen=8)

Log = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)


class ModelParams(c.Structure):
    _fields_ = [
        ("devices", c.c_void_p),
        ("tensor_buft_overrides", c.c_void_p),
        ("n_gpu_layers", c.c_int32),
        ("split_mode", c.c_int32),
        ("load_mode", c.c_int32),
        ("lazy_mode", c.c_int32),
        ("main_gpu", c.c_int32),
        ("tensor_split", c.c_void_p),
        ("progress_callback", c.c_void_p),
        ("progress_callback_user_data", c.c_void_p),
        ("kv_overrides", c.c_void_p),
        ("vocab_only", c.c_bool),
        ("check_tensors", c.c_bool),
        ("use_extra_bufts", c.c_bool),
        ("no_host", c.c_bool),
        ("no_alloc", c.c_bool),
        ("load_mtp", c.c_bool),
    ]


class ContextParams(c.Structure):
    _fields_ = [
        ("n_ctx", c.c_uint32),
        ("n_batch", c.c_uint32),
        ("n_ubatch", c.c_uint32),
        ("n_seq_max", c.c_uint32),
        ("n_rs_seq", c.c_uint32),
        ("n_outputs_max", c.c_uint32),
        ("n_outputs_max_per_seq", c.c_uint32),
        ("n_threads", c.c_int32),
        ("n_threads_batch", c.c_int32),
        ("ctx_type", c.c_int32),
        ("rope_scaling_type", c.c_int32),
        ("pooling_type", c.c_int32),
        ("attention_type", c.c_int32),
        ("flash_attn_type", c.c_int32),
        ("rope_freq_base", c.c_float),
        ("rope_freq_scale", c.c_float),
        ("yarn", c.c_float * 4),
        ("yarn_orig_ctx", c.c_uint32),
        ("defrag_thold", c.c_float),
        ("cb_eval", c.c_void_p),
        ("cb_eval_user_data", c.c_void_p),
        ("type_k", c.c_int32),
        ("type_v", c.c_int32),
        ("pointers", c.c_void_p * 3),
        ("embeddings", c.c_bool),
        ("offload_kqv", c.c_bool),
        ("no_perf", c.c_bool),
        ("op_offload", c.c_bool),
        ("swa_full", c.c_bool),
        ("kv_unified", c.c_bool),
        ("samplers", c.c_void_p),
        ("n_samplers", c.c_size_t),
        ("ctx_other", c.c_void_p),
    ]


class Batch(c.Structure):
    _fields_ = [
        ("n_tokens", c.c_int32),
        ("token", c.POINTER(c.c_int32)),
        ("embd", c.c_void_p),
        ("pos", c.POINTER(c.c_int32)),
        ("n_seq_id", c.POINTER(c.c_int32)),
        ("seq_id", c.POINTER(c.POINTER(c.c_int32))),
        ("logits", c.POINTER(c.c_int8)),
    ]


_MODEL_DEFAULTS = dict(n_gpu_layers=-1, split_mode=1, load_mode=-1, lazy_mode=1, main_gpu=0, vocab_only=False,
                       check_tensors=False, use_extra_bufts=True, no_alloc=False)  # fmt: skip
_CONTEXT_DEFAULTS = dict(n_ctx=512, n_batch=2048, n_ubatch=512, n_seq_max=1, n_outputs_max_per_seq=1,
                         pooling_type=-1, flash_attn_type=-1, defrag_thold=-1.0, type_k=1, type_v=1,
                         embeddings=False, offload_kqv=True, swa_full=True, kv_unified=False)  # fmt: skip

_P, _I, _U, _B = c.c_void_p, c.c_int32, c.c_uint32, c.c_bool
_SIGNATURES: dict[str, tuple[Any, ...]] = {  # name: (result, arguments…)
    "llama_backend_init": (None,),
    "llama_log_set": (None, Log, _P),
    "llama_model_default_params": (ModelParams,),
    "llama_context_default_params": (ContextParams,),
    "llama_model_load_from_file": (_P, c.c_char_p, ModelParams),
    "llama_model_free": (None, _P),
    "llama_init_from_model": (_P, _P, ContextParams),
    "llama_free": (None, _P),
    "llama_model_get_vocab": (_P, _P),
    "llama_model_n_ctx_train": (_I, _P),
    "llama_model_meta_val_str": (_I, _P, c.c_char_p, c.c_char_p, c.c_size_t),
    "llama_model_has_encoder": (_B, _P),
    "llama_supports_gpu_offload": (_B,),
    "llama_vocab_n_tokens": (_I, _P),
    "llama_vocab_bos": (_I, _P),
    "llama_vocab_eos": (_I, _P),
    "llama_vocab_get_text": (c.c_char_p, _P, _I),
    "llama_vocab_is_eog": (_B, _P, _I),
    "llama_tokenize": (_I, _P, c.c_char_p, _I, c.POINTER(_I), _I, _B, _B),
    "llama_token_to_piece": (_I, _P, _I, c.c_char_p, _I, _I, _B),
    "llama_n_ctx": (_U, _P),
    "llama_n_ctx_seq": (_U, _P),
    "llama_n_seq_max": (_U, _P),
    "llama_n_batch": (_U, _P),
    "llama_get_memory": (_P, _P),
    "llama_memory_clear": (None, _P, _B),
    "llama_memory_seq_rm": (_B, _P, _I, _I, _I),
    "llama_memory_seq_cp": (None, _P, _I, _I, _I, _I),
    "llama_set_n_threads": (None, _P, _I, _I),
    "llama_batch_init": (Batch, _I, _I, _I),
    "llama_batch_free": (None, Batch),
    "llama_decode": (_I, _P, Batch),
    "llama_get_logits_ith": (c.POINTER(c.c_float), _P, _I),
}


@functools.cache
def load_library() -> Any:
    """The library with typed functions. Raises ModelMissing where it is not, or is not the one known."""
    # Waiting OpenMP threads spin for milliseconds by default; with other work on the cores that is
    # time taken from the very thread they wait for (measured: 4 tokens a second instead of 30).
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    if sys.platform == "win32":
        raise ModelMissing("GGUF models run on Linux and macOS only; use the Windows Subsystem for Linux.")
    try:
        from xllamacpp import xllamacpp as wheel

        library = c.CDLL(wheel.__file__)
        for name, (result, *arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (ImportError, OSError, AttributeError) as error:
        logger.warning("llama.cpp does not load: %s", error)
        raise ModelMissing(f"llama.cpp is not installed as needed; run: pip install {WANTED}") from None
    for params, expected in (
        (library.llama_model_default_params(), _MODEL_DEFAULTS),
        (library.llama_context_default_params(), _CONTEXT_DEFAULTS),
    ):
        if any(getattr(params, field) != value for field, value in expected.items()):
            raise ModelMissing(
                f"Another llama.cpp is installed than the studio knows; run: pip install {WANTED}"
            )
    library.llama_log_set(_log, None)
    library.llama_backend_init()
    return library


def _complain(level: int, text: bytes, _user: Any) -> None:
    """llama.cpp's warnings (3) and errors (4) go to our log; the rest is left out."""
    if level in (3, 4):
        message = text.decode("utf-8", errors="replace").strip()
        logger.info("llama.cpp: %s", message)
        if level == 4:
            complaints.append(message)


_log = Log(_complain)  # kept alive as long as the library
