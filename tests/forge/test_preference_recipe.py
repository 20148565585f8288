"""The ranker on simulated raters: it learns their taste, and asking well beats asking at random."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from statistics import mean

import numpy as np
import pytest

from studio.errors import BadInput, ModelBroken
from studio.forge.preference import Preference, PreferenceOptions, agreement, read_choices
from studio.forge.ranker import Ranker, Scale, covariance, fit, most_telling
from studio.forge.track import Track

FEATURES = 12


def taste(rng: np.random.Generator) -> np.ndarray:
    """A rater who cares for a few of the numbers and not for the others."""
    weights = np.zeros(FEATURES)
    weights[rng.choice(FEATURES, 4, replace=False)] = rng.normal(0, 2, 4)
    return weights


def items(rng: np.random.Generator, briefs: int, each: int) -> np.ndarray:
    """(briefs, each, features): results of one brief resemble each other, some more and some less."""
    spread = rng.lognormal(-0.7, 0.8, size=(briefs, 1, 1))
    return rng.normal(size=(briefs, 1, FEATURES)) + spread * rng.normal(size=(briefs, each, FEATURES))


def pairs_of(made: np.ndarray) -> np.ndarray:
    return np.array([group[a] - group[b] for group in made for a, b in combinations(range(len(group)), 2)])


def answers(rng: np.random.Generator, weights: np.ndarray, differences: np.ndarray) -> np.ndarray:
    return (rng.random(len(differences)) < 1 / (1 + np.exp(-differences @ weights))).astype(float)


def plain_scale() -> Scale:
    return Scale(tuple(f"f{i}" for i in range(FEATURES)), np.zeros(FEATURES), np.ones(FEATURES))


def curve(seed: int, active: bool, asked: int = 30) -> list[float]:
    """Held-out agreement with a rater's true preference after each answer."""
    rng = np.random.default_rng(seed)
    weights = taste(rng)
    pool, held_out = pairs_of(items(rng, 40, 4)), pairs_of(items(rng, 60, 4))
    truth, told = held_out @ weights > 0, answers(rng, weights, pool)
    chosen: list[int] = []
    found = []
    for _ in range(asked):
        ranker = fit(plain_scale(), pool[chosen], told[chosen])
        open_ = [i for i in range(len(pool)) if i not in chosen]
        place = most_telling(ranker, pool[open_])[0] if active else int(rng.integers(len(open_)))
        chosen.append(open_[place])
        after = fit(plain_scale(), pool[chosen], told[chosen])
        found.append(float(((held_out @ after.weights > 0) == truth).mean()))
    return found


def test_asking_the_most_telling_pairs_beats_random_picking_on_held_out_ratings() -> None:
    """30 simulated raters: after 10, 20 and 30 answers, and over the whole of the way."""
    raters = range(30)
    asked_well = np.array([curve(seed, active=True) for seed in raters])
    at_random = np.array([curve(seed, active=False) for seed in raters])
    for n in (10, 20, 30):
        assert asked_well[:, n - 1].mean() > at_random[:, n - 1].mean() + 0.01, n
    better = asked_well.mean(1) - at_random.mean(1)
    assert better.mean() > 2 * better.std(ddof=1) / np.sqrt(len(better))  # two standard errors, paired
    # As good as thirty random answers, with a third fewer questions.
    assert asked_well[:, 19].mean() >= at_random[:, 29].mean()


def test_the_posterior_is_the_maximum_and_narrows() -> None:
    rng = np.random.default_rng(1)
    weights = taste(rng)
    pool = pairs_of(items(rng, 100, 4))
    told = answers(rng, weights, pool)
    ranker = fit(plain_scale(), pool, told)
    slope = pool.T @ (told - 1 / (1 + np.exp(-pool @ ranker.weights))) - ranker.weights
    assert np.abs(slope).max() < 1e-6
    few = fit(plain_scale(), pool[:20], told[:20])
    assert np.trace(ranker.covariance) < np.trace(few.covariance) < FEATURES
    assert np.allclose(ranker.covariance, covariance(pool, ranker.weights))
    assert fit(plain_scale(), pool[:0], told[:0]).weights.tolist() == [0.0] * FEATURES


def test_information_matches_sampling_and_a_known_answer_teaches_nothing() -> None:
    rng = np.random.default_rng(2)
    pool = pairs_of(items(rng, 10, 3))
    ranker = fit(plain_scale(), pool[:12], answers(rng, taste(rng), pool[:12]))
    drawn = rng.multivariate_normal(ranker.weights, ranker.covariance, 20_000)
    p = 1 / (1 + np.exp(-pool @ drawn.T))

    def entropy(q: np.ndarray) -> np.ndarray:
        return -(q * np.log(q) + (1 - q) * np.log(1 - q))

    exact = entropy(p.mean(1)) - entropy(np.clip(p, 1e-12, 1 - 1e-12)).mean(1)
    assert np.allclose(ranker.information(pool), exact, atol=0.01)
    assert ranker.information(np.zeros((1, FEATURES)))[0] < 1e-3


def test_pairs_asked_together_are_unlike_each_other() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.normal(size=(2, FEATURES))
    pool = np.array([one, one * 1.01, one * 0.99, other * 0.5])
    ranker = fit(plain_scale(), pool[:0], np.zeros(0))
    assert set(most_telling(ranker, pool, 2)) == {1, 3}
    assert sorted(most_telling(ranker, pool, 9)) == [0, 1, 2, 3]


@pytest.fixture
def choices(tmp_path: Path) -> Path:
    rng = np.random.default_rng(4)
    weights = taste(rng)
    made = items(rng, 40, 3)
    rows = []
    for question, group in enumerate(made):
        for a, b in combinations(range(3), 2):
            first = answers(rng, 2 * weights, (group[a] - group[b])[None])[0] > 0.5
            sides = [{f"score {i}": 50 + 7 * value for i, value in enumerate(group[side])} for side in (a, b)]
            rows.append(
                {
                    "question": str(question),
                    "first": sides[0],
                    "second": sides[1],
                    "choice": "first" if first else "second",
                }
            )
    rows[0]["choice"] = "same"
    del rows[1]["first"]["score 3"]
    for row in rows:
        row["first"]["constant"] = row["second"]["constant"] = 3.0
    file = tmp_path / "120.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


@pytest.mark.recipe("preference")
def test_the_recipe_learns_a_taste_and_says_how_often_it_agrees(choices: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    track = Track(tmp_path / "run", listen=lines.append)
    result = Preference().run(choices, PreferenceOptions(), track)
    losses = [float(line.split("Valid Loss: ")[1]) for line in lines if "Valid Loss" in line]
    assert losses[-1] < 0.8 * losses[0]
    ranker = Ranker.load(result)
    read = read_choices(choices)
    right, n = agreement(ranker, read, read.split(0)["test"])
    assert n >= 20 and right / n >= 0.65, (right, n)
    assert f"Agrees with {right} of {n}" in lines[-1]
    assert "constant" not in ranker.scale.names and len(ranker.scale.names) == FEATURES
    again = fit(read.scale, read.differences, read.shares)
    assert np.corrcoef(again.weights, ranker.weights)[0, 1] > 0.9
    item = {"score 0": 50.0}
    assert ranker.score(item) == pytest.approx(float(ranker.scale.vector(item) @ ranker.weights))


def test_questions_stay_in_one_split(choices: Path) -> None:
    read = read_choices(choices)
    rows = read.split(3)
    seen = [{read.questions[row] for row in rows[split]} for split in ("train", "valid", "test")]
    assert sum(map(len, seen)) == 40 and mean(map(len, seen[1:])) == 8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no choice yet"), ("{}\n", "120.jsonl:1 is no choice"), ("[1]\n", "is no choice"),
        ('{"question": 1, "first": {"a": 1}, "second": {"a": 2}, "choice": "third"}\n', "is no choice"),
        ('{"question": 1, "first": {"a": NaN}, "second": {"a": 2}, "choice": "first"}\n', "is no choice"),
        ('{"question": 1, "first": {}, "second": {}, "choice": "first"}\n', "no measured number"),
    ],
)  # fmt: skip
def test_what_is_no_choice_is_refused_by_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "120.jsonl"
    file.write_text(text, "utf-8")
    with pytest.raises(BadInput, match=words):
        read_choices(file)


def test_too_few_briefs_are_refused(choices: Path) -> None:
    lines = choices.read_text("utf-8").splitlines()[:6]
    choices.write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.raises(BadInput, match="about 2 briefs"):
        read_choices(choices).split(0)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"names": ["a"], "mean": [], "spread": [1], "weights": [1]}']
)
def test_a_damaged_ranker_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "ranker.json").write_text(text)
    with pytest.raises(ModelBroken, match="train it again"):
        Ranker.load(tmp_path)
