"""The melody of a piece: drawn by the model in a planned form, given by a person, or both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from studio.engines.music_brief import Controls
from studio.engines.music_form import Form, plan_form
from studio.engines.music_options import MusicOptions
from studio.errors import BadInput
from studio.nets.tune_abc import Unreadable, read_tune
from studio.nets.tune_tokens import ID, NotATune, Note, Part, Tune, decode, encode

CANDIDATES = 5  # melodies drawn at once, the best of which is arranged
ATTEMPTS = 3
_PARTS_KEPT = 2  # of a tune that is continued


@dataclass(frozen=True, slots=True)
class Made:
    """A melody, its form, and how many melodies were drawn and refused for it."""

    tune: Tune
    form: Form
    drawn: int
    refused: int


def compose(
    net: Any, known: Any, controls: Controls, given: Tune | None, seed: int, stop: Callable[[], bool]
) -> Made | None:
    """The best of several melodies that `net` draws, or the given one; None as soon as `stop()` says so.

    `known` are the sorted run digests of the training set: what copies one is refused. Raises BadInput if
    nothing else comes.
    """
    from studio.nets.tune_sample import Wish, copied, merit, sample

    options = controls.options
    plan = _plan(controls, given)
    if options.start == "given" and given is not None:
        return Made(given, plan, 0, 0)
    parts, begin = _beginning(plan, given, options)
    wish = Wish(options.metre, options.mode, controls.model_style, parts, begin)
    drawn = refused = 0
    for attempt in range(ATTEMPTS):
        tunes = sample(
            net, wish, CANDIDATES, seed + 7919 * attempt, options.temperature,
            stop=lambda _: stop(),
        )  # fmt: skip
        if stop():
            return None
        own = [tune for tune in tunes if given is not None or not copied(tune, known)]
        drawn, refused = drawn + len(tunes), refused + len(tunes) - len(own)
        if own:
            return _cut(Made(max(own, key=merit), plan, drawn, refused))
    raise BadInput(
        "Only melodies too close to old ones came up; choose another seed or a higher temperature."
    )


def _cut(made: Made) -> Made:
    """A piece of a few bars is the close of a longer melody."""
    form, keep = made.form, made.form.cut
    if not keep:
        return made
    first, *others = made.tune.parts[0].bars[-keep:]
    ties = next((place for place, note in enumerate(first) if not note.held), len(first))
    head = tuple(Note(None, note.ticks) for note in first[:ties]) + first[ties:]
    tune = replace(made.tune, parts=(Part((head, *others)),))
    return replace(made, tune=tune, form=replace(form, lengths=(keep,), cut=0))


def given_tune(options: MusicOptions) -> Tune | None:
    """The tune that a person gave, if the options ask for one; BadInput if it cannot be read."""
    if options.start == "new":
        return None
    if not options.tune.strip():
        raise BadInput(
            f"Melody from “{options.start}” needs a tune in ABC notation; paste one, or choose “new”."
        )
    try:
        tune = read_tune(options.tune)
        tokens = encode(tune)
        if options.start != "given":
            decode(tokens)
    except (Unreadable, NotATune, ValueError) as error:
        raise BadInput(
            f"The tune cannot be read as ABC notation ({error}); correct it and try again."
        ) from None
    kept = _PARTS_KEPT if options.start == "continue" else 3
    return replace(tune, parts=tune.parts[:kept])


def _plan(controls: Controls, given: Tune | None) -> Form:
    """Sections of a given tune keep their lengths; a continuation adds one as long as the last."""
    options = controls.options
    lengths = None
    if given is not None:
        lengths = tuple(len(part.bars) for part in given.parts)
        if options.start == "continue":
            lengths = (*lengths, lengths[-1])
    return plan_form(options.seconds, options.metre, controls.bpm, options.loop, lengths)


def _beginning(
    form: Form, given: Tune | None, options: MusicOptions
) -> tuple[tuple[tuple[int, bool | None], ...], tuple[int, ...]]:
    """The plan of parts for the model, and the tokens it has to begin with."""
    pickup = None if form.intro or options.loop else False
    parts: list[tuple[int, bool | None]] = [(bars, pickup) for bars in form.lengths]
    if given is None:
        return tuple(parts), ()
    tokens = encode(given)[5:-1]
    if options.start == "vary":  # the first half of the first part stays
        tokens = tokens[: tokens.index(ID[f"bar:{len(given.parts[0].bars) // 2 + 1}"])]
    for place in range(len(given.parts)):
        parts[place] = (parts[place][0], None)
    return tuple(parts), tuple(tokens)
