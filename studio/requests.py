"""From a brief as typed to a request that can run: template filled, model found, options checked.

Both ends use it: the page to refuse at once what cannot work, the worker to do the work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from studio.brands import read_brand
from studio.catalog import Catalog, Model
from studio.engines.base import Engine, engines
from studio.errors import BadInput, ModelMissing, NotFound
from studio.options import read_options
from studio.provenance.encode import media_for
from studio.templates import Template, fill, phrases
from studio.types import KINDS, Brief

TIMED = ("srt", "vtt")


@dataclass(frozen=True, slots=True)
class Request:
    """`brief` is complete: its prompt is what the model gets, its options are the engine's own.

    `required` and `forbidden` are the template's phrases, its slots filled, and the brand's.
    """

    brief: Brief
    engine: type[Engine]
    model: Model
    template: Template | None
    required: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


def resolve(
    brief: Brief, catalog: Catalog, templates: Mapping[str, Template], brands: Sequence[Path] = ()
) -> Request:
    """Raises BadInput, NotFound or ModelMissing with the sentence a person needs. `brands` are folders of them."""
    if brief.kind not in KINDS:
        raise NotFound(f"There is no kind {brief.kind!r}; choose one of: {', '.join(KINDS)}.")
    template = _template(brief, templates)
    engine, model = _model(brief, catalog)
    required: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    if template is not None:
        values = _values(brief, template)
        required, forbidden = phrases(template, values)
        brief = _filled(brief, template, values, {one.name for one in fields(engine.Options)})
    if brief.brand is not None:
        brand = read_brand(brief.brand, brands)
        required, forbidden = (*required, *brand.required), (*forbidden, *brand.forbidden)
    read_options(engine.Options, brief.options)
    _check_format(brief, engine)
    return Request(brief, engine, model, template, required, forbidden)


def _check_format(brief: Brief, engine: type[Engine]) -> None:
    """Captions need times, so only an engine that names these formats among its own can write them."""
    media = media_for(brief.kind, brief.format)
    if media.extension in TIMED and media.extension not in getattr(engine, "formats", ()):
        raise BadInput(f"{media.extension.upper()} captions need a recording; listen to one instead.")


def _template(brief: Brief, templates: Mapping[str, Template]) -> Template | None:
    if brief.template is None:
        return None
    fitting = sorted(name for name, one in templates.items() if one.kind == brief.kind)
    if brief.template not in fitting:
        names = ", ".join(fitting) or "none"
        raise NotFound(f"There is no {brief.kind} template {brief.template!r}; choose one of: {names}.")
    return templates[brief.template]


def _values(brief: Brief, template: Template) -> dict[str, str]:
    """Options named like slots fill them; the prompt itself fills the first slot left open."""
    slots = [slot.name for slot in template.slots]
    values = {name: str(value) for name, value in brief.options.items() if name in slots}
    first = next((name for name in slots if name not in values), None)
    if brief.prompt.strip() and first is not None:
        values[first] = brief.prompt
    return values


def _filled(brief: Brief, template: Template, values: Mapping[str, str], known: set[str]) -> Brief:
    """Of the template's own options those count that the engine knows: `known`."""
    slots = {slot.name for slot in template.slots}
    rest = {name: value for name, value in brief.options.items() if name not in slots}
    usual = {name: value for name, value in template.options.items() if name in known}
    return replace(brief, prompt=fill(template, values), options=usual | rest)


def _model(brief: Brief, catalog: Catalog) -> tuple[type[Engine], Model]:
    if brief.model is not None:
        model = catalog.get(brief.model)
    elif brief.engine is not None:
        if brief.engine not in engines:
            names = ", ".join(name for name in engines if engines.lookup(name).kind == brief.kind)
            raise NotFound(f"There is no engine called {brief.engine[:80]!r}; choose one of: {names}.")
        engine = engines.lookup(brief.engine)
        fitting = [one for one in catalog if one.engine == engine.name]
        if not fitting:
            raise ModelMissing(f"No model in the catalog runs on the engine {engine.name!r}.")
        model = next((one for one in fitting if one.default), fitting[0])
    else:
        model = catalog.default(brief.kind)
    if model.engine is None or engines.lookup(model.engine).kind != brief.kind:
        raise BadInput(f"{model.name} is a {model.kind} model and cannot make {brief.kind}.")
    if brief.engine not in (None, model.engine):
        raise BadInput(f"{model.name} runs on the engine {model.engine!r}, not on {brief.engine!r}.")
    return engines.lookup(model.engine), catalog.require(model.name)
