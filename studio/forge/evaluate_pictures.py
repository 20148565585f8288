"""How good signet-sticker is, measured on what it never saw.

    python -m studio.forge.evaluate_pictures --data /data/stickers --model checkpoints/signet-sticker \\
        --align checkpoints/signet-align --out report

`--align` may also be the folder of a run: then its newest averaged weights judge. `report.json` holds every
number with its 95 % interval; `unseen.png` and `seen.png` the pictures they were measured on;
`neighbours.png` beside `neighbours.md` each drawn picture and the training picture nearest to it, which shows
how much is memory. Fréchet distances depend on the number of pictures: compare them with the floor of the
same run only. Naming is judged by signet-align, trained on the same artwork: it is a relative, not an
independent judge, and the report says so. With `--outsider checkpoints/signet-judge` another names them too, which saw
other artists' drawings only (`by_outsider`; things that it has no name for are left out).
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import BadInput, ModelMissing
from studio.forge.captions import STYLES
from studio.forge.pictures import CAPTIONS, PictureData
from studio.forge.pretrain_align import load, name_space
from studio.forge.pretrain_autoencoder import grid, psnr
from studio.forge.pretrain_diffusion import draw
from studio.nets.recognise import Recogniser

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]
REPEATS = 200


@dataclass(frozen=True, slots=True)
class Measured:
    """`low` and `high` bound the middle 95 % of bootstrap repeats; `n` is the number of pictures."""

    value: float
    low: float
    high: float
    n: int


def frechet_distance(a: Floats, b: Floats) -> float:
    """Fréchet distance of two feature sets (n, d) as normal distributions (Heusel et al. 2017)."""
    from scipy import linalg

    if min(len(a), len(b)) < 2:
        raise BadInput("A Fréchet distance needs at least two pictures on each side.")
    gap = a.mean(0) - b.mean(0)
    first, second = np.cov(a.T), np.cov(b.T)
    # The eigenvalues of a product of two covariances are real and not negative; rounding may say otherwise.
    roots = np.sqrt(np.clip(linalg.eigvals(first @ second).real, 0, None))
    return float(gap @ gap + np.trace(first) + np.trace(second) - 2 * roots.sum())


def kernel_distance(a: Floats, b: Floats) -> float:
    """Unbiased squared MMD with the kernel (x·y/d + 1)³ (Bińkowski et al. 2018); may be below zero."""
    if min(len(a), len(b)) < 2:
        raise BadInput("A kernel distance needs at least two pictures on each side.")
    within = [_kernel(x, x) for x in (a, b)]
    same = sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in within)
    return float(same - 2 * _kernel(a, b).mean())


def _kernel(a: Floats, b: Floats) -> Floats:
    result: Floats = (a @ b.T / a.shape[1] + 1) ** 3
    return result


def bootstrap(
    measure: Callable[..., float], *sides: Floats, repeats: int = REPEATS, seed: int = 0
) -> Measured:
    """`measure(*sides)` with an interval from resampling the first side only: the references are fixed."""
    rng = np.random.default_rng(seed)
    first, *rest = sides
    values = [measure(first[rng.integers(0, len(first), len(first))], *rest) for _ in range(repeats)]
    low, high = np.percentile(values, [2.5, 97.5])
    return Measured(measure(first, *rest), float(low), float(high), len(first))


def spread_of(measure: Callable[..., float], *sides: Floats, repeats: int) -> Measured:
    """As `bootstrap`, for distances: resampling repeats pictures, which moves every distance up, so only its
    spread is taken and laid around the value (1.96 standard errors)."""
    rng = np.random.default_rng(0)
    first, *rest = sides
    values = [measure(first[rng.integers(0, len(first), len(first))], *rest) for _ in range(repeats)]
    value, error = measure(first, *rest), 1.96 * float(np.std(values))
    return Measured(value, value - error, value + error, len(first))


class Evaluation:
    """The parts of a published folder, the judge and the data, brought together once."""

    def __init__(
        self,
        data: PictureData,
        model: Path,
        align: Path,
        *,
        steps: int | None = None,
        guidance: float | None = None,
        outsider: Path | None = None,
    ) -> None:
        """Steps and guidance that are not said are the model's own, as its catalog entry says, else 24 and 3.5."""
        from studio.forge.publish_sticker import trained
        from studio.nets.autoencoder import Autoencoder
        from studio.nets.transformer import StickerTransformer

        asked = [(model, "publish_sticker"), (align, "pretrain_align")]
        asked += [(outsider, "publish_judge")] if outsider else []
        for folder, recipe in asked:
            if not folder.is_dir():
                raise ModelMissing(f"{folder} is not there; make it with studio.forge's {recipe}.")
        own = own_options(model)
        self.data = data
        self.steps = int(own.get("steps", 24) if steps is None else steps)
        self.guidance = float(own.get("guidance_scale", 3.5) if guidance is None else guidance)
        self.transformer = StickerTransformer.from_pretrained(model / "transformer").float().eval()
        self.autoencoder = Autoencoder.from_pretrained(model / "vae").float().eval()
        self.judge = trained("align", align).model.float().eval()
        self.outsider = None if outsider is None else Recogniser.load(outsider)

    def drawn(self, rows: NDArray[np.int64], caption: int, seed: int = 0) -> torch.Tensor:
        """float (n, 3, 64, 64) in −1…1: one picture of each row's caption in that row's style."""
        import torch

        parts = []
        for start in range(0, len(rows), 64):
            chosen = rows[start : start + 64]
            states, mask = self.data.text(chosen, np.full(len(chosen), caption))
            style = torch.tensor([1 + STYLES.index(self.data.records[i].style) for i in chosen])
            pixels = draw(
                self.transformer, self.autoencoder, states, mask, style,
                steps=self.steps, guidance=self.guidance, seed=seed + start,
            )  # fmt: skip
            parts.append(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1)
        return torch.cat(parts)

    def named(self, pictures: torch.Tensor, rows: NDArray[np.int64], at: int = 5) -> Floats:
        """1.0 for every picture whose concept is among the `at` nearest of all concept names, else 0.0."""
        import torch

        names, vectors = name_space(self.judge, self.data)
        places = {name: place for place, name in enumerate(names)}
        own = torch.tensor([places[self.data.records[i].concept] for i in rows])
        near = (self._through(self.judge.picture, pictures) @ vectors.T).topk(min(at, len(names))).indices
        hits: Floats = (near == own[:, None]).any(1).double().numpy()
        return hits

    def named_outside(self, pictures: torch.Tensor, rows: NDArray[np.int64], at: int = 5) -> Floats:
        """As `named`, by the outsider, of those pictures whose concept it knows; empty without one."""
        if self.outsider is None:
            return np.empty(0)
        places = {name: place for place, name in enumerate(self.outsider.names)}
        own = [places.get(self.data.records[i].concept, -1) for i in rows]
        known = np.flatnonzero(np.array(own) >= 0)
        if not len(known):
            return np.empty(0)
        pixels = pictures[known].clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
        near = self.outsider.closeness(self.outsider.vectors(pixels))
        right = near[np.arange(len(known)), np.array(own)[known]]
        hits: Floats = ((near > right[:, None]).sum(axis=1) < at).astype(np.float64)
        return hits

    def features(self, pictures: torch.Tensor) -> Floats:
        result: Floats = self._through(self.judge.features, pictures).double().numpy()
        return result

    def nearest(self, pictures: torch.Tensor) -> tuple[NDArray[np.int64], Floats]:
        """The training picture nearest in features to each, and its cosine similarity."""
        import torch

        rows = self.data.indices("train")
        known = torch.cat(
            [self.judge.picture(load(self.data, rows[i : i + 128])) for i in range(0, len(rows), 128)]
        )
        similarity, place = (self._through(self.judge.picture, pictures) @ known.T).max(1)
        return rows[place.numpy()], similarity.double().numpy()

    @staticmethod
    def _through(net: Any, pictures: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.cat([net(part) for part in pictures.split(128)])


def own_options(model: Path) -> dict[str, Any]:
    """What the entry of a published model says its engine should take."""
    entry = model / "model.toml"
    if not entry.is_file():
        return {}
    options: dict[str, Any] = tomllib.loads(entry.read_text("utf-8")).get("options", {})
    return options


def evaluate(evaluation: Evaluation, out: Path, count: int = 200) -> dict[str, Measured]:
    """All numbers of `count` unseen and `count` seen prompts; writes the report's files into `out`."""
    import torch

    out.mkdir(parents=True, exist_ok=True)
    data, judge = evaluation.data, evaluation
    results: dict[str, Measured] = {}
    share = lambda hits: float(hits.mean())  # noqa: E731
    with torch.no_grad():
        for name, split, caption in (
            ("seen", "train", 0),
            ("unseen", "unseen", 0),
            ("rephrased", "train", CAPTIONS),
        ):
            rows = spread(data.indices(split), count)
            pictures = judge.drawn(rows, caption)
            results[f"{name}/top5_naming"] = bootstrap(share, judge.named(pictures, rows))
            results[f"{name}/top5_naming_of_artwork"] = bootstrap(share, judge.named(load(data, rows), rows))
            for word, seen in (("", pictures), ("_of_artwork", load(data, rows))):
                if len(hits := judge.named_outside(seen, rows)):
                    results[f"{name}/top5_naming{word}_by_outsider"] = bootstrap(share, hits)
            _save(out / f"{name}.png", pictures[:48])
            if name == "rephrased":
                continue
            real = judge.features(load(data, data.indices(split)))
            rebuilt = evaluation.autoencoder(load(data, rows)).clamp(-1, 1)
            for word, seen in (("drawn", pictures), ("floor", rebuilt)):
                results[f"{name}/frechet_{word}"] = spread_of(
                    frechet_distance, judge.features(seen), real, repeats=20
                )
                results[f"{name}/kernel_{word}"] = spread_of(
                    kernel_distance, judge.features(seen), real, repeats=50
                )
            if name == "unseen":
                results["autoencoder/psnr_unseen"] = _each_psnr(rebuilt, load(data, rows))
                near, similarity = judge.nearest(pictures)
                results["unseen/nearest_similarity"] = bootstrap(share, similarity)
                pairs = torch.stack([pictures[:24], load(data, near[:24])], 1).flatten(0, 1)
                _save(out / "neighbours.png", pairs)
                (out / "neighbours.md").write_text(_neighbours(data, rows, near, similarity), "utf-8")
    report = {name: asdict(value) for name, value in results.items()}
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    return results


def spread(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most `count` rows, evenly spread over all."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int))
    chosen: NDArray[np.int64] = rows[places]
    return chosen


def _each_psnr(drawn: torch.Tensor, real: torch.Tensor) -> Measured:
    values = np.array([psnr(drawn[i : i + 1], real[i : i + 1]) for i in range(len(real))])
    return bootstrap(lambda sample: float(sample.mean()), values)


def _neighbours(
    data: PictureData, rows: NDArray[np.int64], near: NDArray[np.int64], similarity: Floats
) -> str:
    """A page on memory: every prompt, the training picture nearest to what was drawn for it, how near."""
    lines = [
        "# Nearest training pictures",
        "",
        "Prompts of concepts never seen in training. In the picture each drawn one stands left of the training",
        "picture nearest to it by the features of signet-align; 1 would be the same picture.",
        "",
        "![drawn and nearest](neighbours.png)",
        "",
        "| prompt | nearest training picture | cosine similarity |",
        "|---|---|---|",
    ]
    for row, place, value in zip(rows, near, similarity, strict=True):
        seen = data.records[place]
        lines.append(f"| {data.records[row].captions[0]} | {seen.concept}, {seen.style} | {value:.3f} |")
    return "\n".join([*lines, ""])


def _save(file: Path, pictures: torch.Tensor) -> None:
    from PIL import Image

    pixels = pictures.clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    Image.fromarray(grid(pixels, 12)).save(file)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure signet-sticker on held-out prompts.")
    for name in ("data", "model", "align", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--outsider", type=Path, help="The folder of signet-judge")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--steps", type=int, help="Instead of the model's own")
    parser.add_argument("--guidance", type=float, help="Instead of the model's own")
    given = parser.parse_args()
    evaluation = Evaluation(
        PictureData(given.data), given.model, given.align, steps=given.steps, guidance=given.guidance,
        outsider=given.outsider,
    )  # fmt: skip
    results = evaluate(evaluation, given.out, given.count)
    for name, value in results.items():
        print(f"{name:34} {value.value:9.4f}  [{value.low:.4f}, {value.high:.4f}]  n = {value.n}")


if __name__ == "__main__":
    main()
