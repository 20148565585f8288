"""What a distance between sets is measured in: a `Features` turns an output into a vector.

    @features.register
    class Inception: name = "inception-v3"; kinds = ("image",); needs = ("inception-v3",); …

The name is printed in the score ("FD (pixel-statistics)"), so that no one takes it for FID or FAD, which
are defined by the weights of their own networks. Another network is one more class, here or in an entry
point of the group `signet.featuress`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

from studio.embedding import MODEL, embed
from studio.quality.base import Sample
from studio.quality.picture import on_white
from studio.quality.text_meaning import chunks
from studio.registry import Registry
from studio.types import Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Features(Protocol):
    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]
    needs: ClassVar[tuple[str, ...]]

    def vectors(self, samples: Sequence[Sample]) -> Floats:
        """One row for each sample, (len(samples), d)."""


features: Registry[type[Features]] = Registry("features", "studio.quality")


@features.register
class SentenceMeaning:
    """Mean MiniLM embedding of a text's chunks, d = 384: topics and phrasing."""

    name: ClassVar[str] = MODEL
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    needs: ClassVar[tuple[str, ...]] = (MODEL,)

    def vectors(self, samples: Sequence[Sample]) -> Floats:
        import numpy as np

        parts = [chunks(sample.text) or [""] for sample in samples]
        flat = embed([chunk for part in parts for chunk in part], samples[0].models[MODEL])
        owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        sums = np.zeros((len(parts), flat.shape[1]))
        np.add.at(sums, owner, flat)
        result: Floats = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
        return result


@features.register
class PixelStatistics:
    """Means and deviations of colour and edges on a 4 × 4 grid, d = 128: layout and tone, not content."""

    name: ClassVar[str] = "pixel-statistics"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    needs: ClassVar[tuple[str, ...]] = ()

    def vectors(self, samples: Sequence[Sample]) -> Floats:
        import numpy as np
        from PIL import Image

        rows = []
        for sample in samples:
            small = Image.fromarray(on_white(sample.pixels).astype(np.uint8)).resize(
                (64, 64), Image.Resampling.BOX
            )
            rgb = np.asarray(small, np.float64) / 255
            slopes = np.gradient(rgb.mean(axis=2))
            edges = np.hypot(*slopes)[..., None]
            tiles = np.concatenate([rgb, edges], axis=2).reshape(4, 16, 4, 16, 4)
            rows.append(np.concatenate([tiles.mean(axis=(1, 3)).ravel(), tiles.std(axis=(1, 3)).ravel()]))
        return np.stack(rows)


@features.register
class SpectrumStatistics:
    """Means and deviations of 32 log-frequency bands and of their changes, d = 128: timbre, not melody."""

    name: ClassVar[str] = "spectrum-statistics"
    kinds: ClassVar[tuple[Kind, ...]] = ("speech", "music")
    needs: ClassVar[tuple[str, ...]] = ()

    def vectors(self, samples: Sequence[Sample]) -> Floats:
        import numpy as np

        from studio.quality.spectrum import RATE, magnitudes

        rows = []
        for sample in samples:
            spectra = magnitudes(sample.music, 2048, 512)
            hertz = np.arange(spectra.shape[1]) * RATE / 2048
            edges = np.geomspace(60, 10_000, 33)
            bands = [
                spectra[:, (hertz >= a) & (hertz < b + 11)].mean(axis=1)
                for a, b in zip(edges, edges[1:], strict=False)
            ]
            levels = np.log(np.stack(bands, axis=1).astype(np.float64) + 1e-4)
            change = np.diff(levels, axis=0) if len(levels) > 1 else np.zeros_like(levels)
            rows.append(
                np.concatenate([part for x in (levels, change) for part in (x.mean(axis=0), x.std(axis=0))])
            )
        return np.stack(rows)
