"""How an unknown English word is probably said: a small encoder-decoder of GRUs over letters.

The weights are those of g2p-en (Park and Kim, Apache-2.0), trained on CMUdict; their ARPAbet output is
written in misaki's alphabet here. Cho et al. 2014, "Learning Phrase Representations using RNN
Encoder-Decoder", describes the network. A word takes a few milliseconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.errors import ModelBroken, ModelMissing

_ARPABET = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "W", "AY": "I", "B": "b", "CH": "ʧ", "D": "d", "DH": "ð",
    "EH": "ɛ", "ER": "ɜɹ", "EY": "A", "F": "f", "G": "ɡ", "HH": "h", "IH": "ɪ", "IY": "i", "JH": "ʤ", "K": "k",
    "L": "l", "M": "m", "N": "n", "NG": "ŋ", "OW": "O", "OY": "Y", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ",
    "T": "t", "TH": "θ", "UH": "ʊ", "UW": "u", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip
_VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
_LETTERS = {letter: place for place, letter in enumerate("abcdefghijklmnopqrstuvwxyz", 3)}
_END_OF_WORD, _START, _END = 2, 2, 3
_SHAPES = {
    "enc_emb": (29, 256), "enc_w_ih": (768, 256), "enc_w_hh": (768, 256), "enc_b_ih": (768,), "enc_b_hh": (768,),
    "dec_emb": (74, 256), "dec_w_ih": (768, 256), "dec_w_hh": (768, 256), "dec_b_ih": (768,), "dec_b_hh": (768,),
    "fc_w": (74, 256), "fc_b": (74,),
}  # fmt: skip


def _symbols() -> list[str]:
    """Output classes: four control symbols, then ARPAbet in its order, vowels with their three stresses."""
    names: list[str] = ["", "", "", ""]
    for name in sorted(_ARPABET):
        names += [name + stress for stress in "012"] if name in _VOWELS else [name]
        names += ["UW"] if name == "UH" else []
    return names


class SpelledWord:
    """Callable: a word in small letters → phonemes. Other characters are skipped; no letter gives ""."""

    def __init__(self, path: Path, british: bool = False) -> None:
        import numpy as np

        try:
            with np.load(path, allow_pickle=False) as file:
                self._w = {name: file[name].astype(np.float32) for name in _SHAPES}
        except FileNotFoundError:
            raise ModelMissing(
                "The English lexicon is not here; get it with: python -m studio models pull english-lexicon"
            ) from None
        except (OSError, ValueError, KeyError) as error:
            raise ModelBroken(f"{path.name} cannot be read; pull english-lexicon again.") from error
        if any(self._w[name].shape != shape for name, shape in _SHAPES.items()):
            raise ModelBroken(
                f"{path.name} has other shapes than the spelling network; pull english-lexicon again."
            )
        self._british, self._names = british, _symbols()

    def __call__(self, word: str) -> str:
        import numpy as np

        letters = [_LETTERS[c] for c in word if c in _LETTERS]
        if not letters:
            return ""
        state = np.zeros(256, np.float32)
        for letter in (*letters, _END_OF_WORD):
            state = self._step("enc", self._w["enc_emb"][letter], state)
        symbol, spoken = _START, []
        for _ in range(2 * len(letters) + 8):
            state = self._step("dec", self._w["dec_emb"][symbol], state)
            symbol = int(np.argmax(self._w["fc_w"] @ state + self._w["fc_b"]))
            if symbol == _END:
                break
            spoken.append(self._names[symbol])
        return self._written(spoken)

    def _step(self, side: str, x: Any, state: Any) -> Any:
        import numpy as np

        given = self._w[f"{side}_w_ih"] @ x + self._w[f"{side}_b_ih"]
        kept = self._w[f"{side}_w_hh"] @ state + self._w[f"{side}_b_hh"]
        reset = 1 / (1 + np.exp(-(given[:256] + kept[:256])))
        update = 1 / (1 + np.exp(-(given[256:512] + kept[256:512])))
        fresh = np.tanh(given[512:] + reset * kept[512:])
        return (1 - update) * fresh + update * state

    def _written(self, symbols: list[str]) -> str:
        out = ""
        for symbol in symbols:
            name, stress = (symbol[:-1], symbol[-1]) if symbol[-1:].isdigit() else (symbol, "")
            phoneme = _ARPABET.get(name, "")
            if stress == "0" and name in ("AH", "ER"):
                phoneme = "ə" if name == "AH" else "əɹ"
            out += {"1": "ˈ", "2": "ˌ"}.get(stress, "") + phoneme
        if self._british:
            out = out.replace("O", "Q").replace("ɜɹ", "ɜː").replace("əɹ", "ə")
        return out
