"""The payload of the picture mark: 40 bits, a keyed tag, and a tail-biting convolutional code around both.

A word is 40 payload bits and 24 bits of HMAC-SHA-256(key, payload), scrambled by a keyed mask. The code has
rate 1/5 and constraint length 11 (free distance 36); it starts and ends in the same state, so that no bit is
spent on ending it, and is decoded by Viterbi's algorithm running round the circle. The tag alone decides
whether a reading counts: random bits pass one in 2^24.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bits = NDArray[np.uint8]
    Floats = NDArray[np.float32]

MESSAGE_BYTES = 5
PAYLOAD_BITS, TAG_BITS = 8 * MESSAGE_BYTES, 24
WORD_BITS = PAYLOAD_BITS + TAG_BITS
GENERATORS = (2021, 1337, 1979, 1711, 1187)
CODED_BITS = WORD_BITS * len(GENERATORS)
CHANCE = 2.0**-TAG_BITS
_MEMORY = 10
_STATES = 1 << _MEMORY
_WRAP = 5 * (_MEMORY + 1)


def message_of(produce_id: str) -> bytes:
    """The five bytes that name an output: its first ten hex digits."""
    return bytes.fromhex(produce_id[: 2 * MESSAGE_BYTES])


def encode(message: bytes, key: bytes) -> Bits:
    """uint8 (320,) of 0 and 1. Raises ValueError unless `message` is five bytes."""
    import numpy as np

    if len(message) != MESSAGE_BYTES:
        raise ValueError("a picture mark carries exactly five bytes")
    word = np.unpackbits(np.frombuffer(message + _tag(message, key), np.uint8)) ^ _mask(key)
    outputs = _trellis()
    state = 0
    for bit in word[-_MEMORY:]:
        state = (int(bit) << _MEMORY | state) >> 1
    coded = np.empty((WORD_BITS, len(GENERATORS)), np.uint8)
    for at, bit in enumerate(word):
        register = int(bit) << _MEMORY | state
        coded[at] = outputs[register]
        state = register >> 1
    return coded.ravel()


def decode(soft: Floats, key: bytes) -> list[bytes | None]:
    """Of each row of `soft` (float, (trials, 320)) the message, or None where the tag does not fit.

    A soft value is positive where a coded bit looks like 0, negative where it looks like 1.
    """
    import numpy as np

    found: list[bytes | None] = []
    for word in _viterbi(soft) ^ _mask(key):
        packed = np.packbits(word).tobytes()
        message, tag = packed[:MESSAGE_BYTES], packed[MESSAGE_BYTES:]
        found.append(message if hmac.compare_digest(tag, _tag(message, key)) else None)
    return found


def _tag(message: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"picture mark tag" + message, hashlib.sha256)[: TAG_BITS // 8]


def _mask(key: bytes) -> Bits:
    import numpy as np

    return np.unpackbits(
        np.frombuffer(hmac.digest(key, b"picture mark mask", hashlib.sha256)[: WORD_BITS // 8], np.uint8)
    )


@cache
def _trellis() -> Bits:
    """uint8 (2048, 5): the coded bits of each register, newest bit highest."""
    import numpy as np

    table = [[(register & g).bit_count() & 1 for g in GENERATORS] for register in range(2 * _STATES)]
    return np.array(table, np.uint8)


def _viterbi(soft: Floats) -> Bits:
    """uint8 (trials, 64): the words whose coded form agrees best with the soft values."""
    import numpy as np

    trials, half = len(soft), _STATES // 2
    steps = np.asarray(soft, np.float32).reshape(trials, WORD_BITS, len(GENERATORS))
    steps = steps / (np.abs(steps).mean(axis=(1, 2), keepdims=True) + np.float32(1e-30))
    order = np.arange(-_WRAP, WORD_BITS + _WRAP) % WORD_BITS
    signs = 1.0 - 2.0 * _trellis().astype(np.float32)
    # By step, trial, bit shifted in and state before; states in two halves by their lowest bit.
    gains = (steps.transpose(1, 0, 2) @ signs.T).reshape(WORD_BITS, trials, 2, half, 2)
    gains = np.ascontiguousarray(np.moveaxis(gains, -1, 0))
    score = np.zeros((trials, half, 2), np.float32)
    came = np.empty((len(order), trials, 2, half), bool)
    for at, step in enumerate(order):
        # State s' = bit << 9 | s >> 1: its two parents differ in their lowest bit.
        even = gains[0, step] + score[:, None, :, 0]
        odd = gains[1, step] + score[:, None, :, 1]
        np.greater(odd, even, out=came[at])
        score = np.maximum(even, odd).reshape(trials, half, 2)
    state, rows = score.reshape(trials, _STATES).argmax(axis=1), np.arange(trials)
    turns = came.reshape(len(order), trials, _STATES)
    bits = np.empty((trials, len(order)), np.uint8)
    for at in reversed(range(len(order))):
        bits[:, at] = state >> (_MEMORY - 1)
        state = (state & (half - 1)) << 1 | turns[at, rows, state]
    return bits[:, _WRAP : _WRAP + WORD_BITS]
