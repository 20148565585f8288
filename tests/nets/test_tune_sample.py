"""Drawing melodies under the grammar, and telling better ones from worse."""

from __future__ import annotations

import pytest
import torch

from studio.nets.tune import Shape, TuneModel
from studio.nets.tune_abc import read_tune
from studio.nets.tune_sample import Wish, merit, sample
from studio.nets.tune_tokens import METRES, encode

HEAD = "M:4/4\nL:1/8\nK:G\n"
GOOD = "G2 BG dGBG | c2 ec dBGB | A2 cA FAcA | G2 BG d4 | g2 bg dgbg | c2 ec dBGB | A2 cA FADF | G4 G4 |]"


@pytest.fixture(scope="module")
def model() -> TuneModel:
    torch.manual_seed(0)
    return TuneModel(Shape(16, 2, 2, 16)).eval()


def test_steps_with_caches_are_the_whole_pass(model: TuneModel) -> None:
    tokens = torch.tensor([encode(read_tune(HEAD + GOOD))[:60]])
    whole = model(tokens)
    logits, caches = model.step(tokens[:, :20])
    for place in range(20, 60):
        torch.testing.assert_close(logits, whole[:, place - 1], rtol=1e-4, atol=1e-5)
        logits, caches = model.step(tokens[:, place : place + 1], caches)


def test_what_is_drawn_is_what_was_wished(model: TuneModel) -> None:
    wish = Wish("6/8", "dorian", "jig", ((4, True), (8, False)))
    tunes = sample(model, wish, 3, seed=5)
    assert len(tunes) == 3 and len(set(tunes)) == 3
    for tune in tunes:
        assert (tune.metre, tune.mode, tune.style) == ("6/8", "dorian", "jig")
        assert [(len(part.bars), bool(part.pickup)) for part in tune.parts] == [(4, True), (8, False)]
        assert all(sum(n.ticks for n in bar) == METRES["6/8"] for part in tune.parts for bar in part.bars)
    assert sample(model, wish, 3, seed=5) == tunes != sample(model, wish, 3, seed=6)
    assert torch.get_num_threads() == 1  # as the fixture of this folder set it: put back afterwards


def test_a_cold_draw_is_the_most_likely_one(model: TuneModel) -> None:
    wish = Wish("2/4", "major", "reel", ((2, False),))
    cold = sample(model, wish, 2, seed=1, temperature=0.0)
    assert cold[0] == cold[1]


def test_it_stops_when_told_and_begins_as_told(model: TuneModel) -> None:
    given = read_tune(HEAD + GOOD)
    begin = tuple(encode(given)[5:-1])
    (tune,) = sample(model, Wish("4/4", "major", "reel", ((8, None), (4, None)), begin), 1, seed=0)
    assert tune.parts[0] == given.parts[0] and len(tune.parts[1].bars) == 4
    shares: list[float] = []

    def stop(share: float) -> bool:
        shares.append(share)
        return len(shares) == 3

    assert sample(model, Wish("4/4", "major", "reel", ((8, None),)), 2, seed=0, stop=stop) == []
    assert shares == sorted(shares) and shares[-1] <= 1


@pytest.mark.parametrize(
    "worse",
    [
        GOOD.replace("G4 G4 |]", "G4 F4 |]"),  # no close
        GOOD.replace("c2 ec", "^c2 _ec").replace("FAcA", "^GA^c_B"),  # out of its mode
        " | ".join(["G2 BG dGBG"] * 7) + " | G4 G4 |]",  # one bar again and again
        " | ".join(["GGGG GGGG"] * 7) + " | G4 G4 |]",  # one note
        GOOD.replace("g2 bg", "g2 D,g").replace("dGBG", "d'G,d'G"),  # leaps
    ],
)
def test_merit_prefers_the_better_made(worse: str) -> None:
    assert merit(read_tune(HEAD + GOOD)) > merit(read_tune(HEAD + worse)) + 0.3
