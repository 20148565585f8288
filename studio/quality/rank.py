"""The best of several candidates first, by an order a person can read and weigh anew.

For each score that has a better side and that every candidate has, the candidates are ranked; a
candidate's place is the weighted mean of its ranks. Ranks, not values: no score can drown the others,
and no number is invented. The mean rank is an order among these candidates and says nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from studio.errors import BadInput
from studio.types import Kind, Scorecard

WEIGHTS: dict[Kind, dict[str, float]] = {
    "text": {
        "required_phrases": 4.0,
        "forbidden_phrases": 4.0,
        "relevance": 3.0,
        "sentence_repetition": 2.0,
        "phrase_repetition": 2.0,
        "coherence": 1.0,
        "distinct_2": 1.0,
    },
    "image": {"alignment": 3.0, "sharpness": 1.0, "noise": 1.0, "banding": 1.0, "contrast": 0.5},
    "speech": {"intelligibility": 3.0, "dnsmos": 2.0, "clipping": 1.0},
    "music": {"key_stability": 1.0, "tempo_stability": 1.0, "clipping": 1.0},
    "video": {},
}


def rank(cards: Sequence[Scorecard], kind: Kind, weights: Mapping[str, float] | None = None) -> list[int]:
    """Indices of `cards`, best first; equal ones keep the order they were made in.

    `weights` (score name → weight ≥ 0) take the place of the kind's own. Raises BadInput for a
    negative weight.
    """
    chosen = WEIGHTS[kind] if weights is None else weights
    if any(not weight >= 0 for weight in chosen.values()):
        raise BadInput("A weight in the ranking must be 0 or more.")
    totals = [0.0] * len(cards)
    for name, weight in chosen.items():
        for i, place in enumerate(_places(cards, name)):
            totals[i] += weight * place
    return sorted(range(len(cards)), key=lambda i: (totals[i], i))


def _places(cards: Sequence[Scorecard], name: str) -> list[float]:
    """Each card's rank (0 is best, ties share their mean); none if a card lacks the score."""
    scores = [card.get(name) for card in cards]
    values = [score.value if score.better == "lower" else -score.value for score in scores if score]
    if len(values) < len(cards) or any(score and score.better == "neither" for score in scores):
        return []
    return [sum(v < value for v in values) + (values.count(value) - 1) / 2 for value in values]
