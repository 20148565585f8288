"""The payload of the audio mark: 36 bits, a keyed tag, and a convolutional code around both.

A word is 36 payload bits, 28 bits of HMAC-SHA-256(key, payload) and 8 zeros that end the trellis. The
code is the rate-1/3, constraint-length-9 code of cellular telephony (generators 557, 663, 711 octal,
free distance 18; 3GPP TS 25.212 clause 4.2.3.1), decoded by Viterbi's algorithm on soft values. The tag
alone decides whether a reading counts: random bits pass one in 2^28.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bits = NDArray[np.uint8]
    Floats = NDArray[np.floating[Any]]

PAYLOAD_BITS, TAG_BITS, TAIL_BITS = 36, 28, 8
MESSAGE_BYTES = 5
WORD_BITS = PAYLOAD_BITS + TAG_BITS + TAIL_BITS
GENERATORS = (0o557, 0o663, 0o711)
CODED_BITS = WORD_BITS * len(GENERATORS)
CHANCE = 2.0**-TAG_BITS
_STATES = 256


def message_of(produce_id: str) -> bytes:
    """The five bytes that name an output: its first nine hex digits, then four zero bits."""
    return bytes.fromhex(produce_id[:9] + "0")


def encode(message: bytes, key: bytes) -> Bits:
    """uint8 (216,) of 0 and 1. Raises ValueError unless `message` is five bytes whose last four bits are 0."""
    import numpy as np

    if len(message) != MESSAGE_BYTES or message[-1] & 0x0F:
        raise ValueError("an audio mark carries five bytes whose last four bits are zero")
    bits = np.zeros(WORD_BITS, np.uint8)
    bits[:PAYLOAD_BITS] = np.unpackbits(np.frombuffer(message, np.uint8))[:PAYLOAD_BITS]
    bits[PAYLOAD_BITS : PAYLOAD_BITS + TAG_BITS] = _tag(message, key)
    coded = np.empty((WORD_BITS, len(GENERATORS)), np.uint8)
    state = 0
    outputs = _trellis()
    for at, bit in enumerate(bits):
        register = int(bit) << 8 | state
        coded[at] = outputs[register]
        state = register >> 1
    return coded.ravel()


def decode(soft: Floats, key: bytes) -> bytes | None:
    """The message, or None if the tag does not fit.

    `soft` is float (216,): positive where a coded bit looks like 0, negative where it looks like 1.
    """
    import numpy as np

    bits = _viterbi(soft)
    message = np.packbits(bits[:PAYLOAD_BITS]).tobytes()
    sent = bits[PAYLOAD_BITS : PAYLOAD_BITS + TAG_BITS]
    return message if hmac.compare_digest(sent.tobytes(), _tag(message, key).tobytes()) else None


def _tag(message: bytes, key: bytes) -> Bits:
    import numpy as np

    digest = hmac.digest(key, b"audio mark tag" + message, hashlib.sha256)
    return np.unpackbits(np.frombuffer(digest[:4], np.uint8))[:TAG_BITS]


@cache
def _trellis() -> Bits:
    """uint8 (512, 3): the coded bits of each register, newest bit highest."""
    import numpy as np

    table = [[(register & g).bit_count() & 1 for g in GENERATORS] for register in range(2 * _STATES)]
    return np.array(table, np.uint8)


def _viterbi(soft: Floats) -> Bits:
    """The word (uint8 (72,)) whose coded form agrees best with the soft values; starts and ends in state 0."""
    import numpy as np

    steps = np.asarray(soft, np.float32).reshape(WORD_BITS, len(GENERATORS))
    signs = 1.0 - 2.0 * _trellis().astype(np.float32)  # (register, 3)
    gains = (steps @ signs.T).reshape(WORD_BITS, 2, _STATES)  # by bit shifted in, state before
    score = np.full(_STATES, -np.inf, np.float32)
    score[0] = 0.0
    came = np.empty((WORD_BITS, _STATES), np.uint8)
    for at in range(WORD_BITS):
        # State s' = bit << 7 | s >> 1: its two parents differ in their lowest bit.
        both = (score + gains[at]).reshape(2, _STATES // 2, 2)
        came[at] = both.argmax(axis=2).ravel()
        score = both.max(axis=2).ravel()
    bits = np.empty(WORD_BITS, np.uint8)
    state = 0
    for at in reversed(range(WORD_BITS)):
        bits[at] = state >> 7
        state = (state & 0x7F) << 1 | int(came[at, state])
    return bits
