"""Puts providers' files and the operator's tables together into one catalogue.

Rule: what entries say of each other (replacements, aliases) is checked when all are
there, so that neither the order of files nor that of tables matters.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from impasto.catalogue.catalogue import Catalogue
from impasto.catalogue.dimensions import Dimensions, dimensions_of
from impasto.catalogue.entries import NAME, model_of, price_of, provider_of
from impasto.catalogue.schema import (
    OperatorTables,
    Place,
    PriceTable,
    ProviderFile,
    RetirementTable,
    meant,
    read_table,
)
from impasto.domain.model import Model, Provider


@dataclass(slots=True)
class _Draft:
    """A catalogue while it is put together; `places` says where each model stands."""

    providers: dict[str, Provider] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    dimensions: dict[str, dict[str, Dimensions]] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)


def assemble(provider_files: Mapping[str, str], operator: Mapping[str, object], *, origin: str) -> Catalogue:
    """The catalogue of `provider_files` (TOML by file name, `google.toml` being the provider `google`)
    with the operator's parsed tables, which came from `origin`, laid over it. Raises `CatalogueError`."""
    draft = _Draft()
    for file, text in provider_files.items():
        _add_provider_file(draft, file.removesuffix(".toml"), _parsed(text, file), Place(file))
    place = Place(origin)
    tables = read_table(operator, OperatorTables, place)
    _lay_over(draft, tables, place)
    _link_replacements(draft)
    for model in draft.models.values():
        for alias in model.aliases:
            _add_alias(draft, alias, model.id, draft.places[model.id].at("aliases"))
    for alias, target in tables.aliases.items():
        _add_alias(draft, alias, target, place.at("aliases"))
    return _finished(draft)


def _parsed(text: str, file: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Place(file).wrong(f"this is no TOML: {error}.") from None


def _add_provider_file(draft: _Draft, provider_id: str, raw: Mapping[str, object], place: Place) -> None:
    tables = read_table(raw, ProviderFile, place)
    provider = provider_of(provider_id, tables.provider, place.at("provider"))
    draft.providers[provider_id] = provider
    draft.dimensions[provider_id] = _shared_dimensions(tables.dimensions, place.at("dimensions"))
    for name, table in tables.models.items():
        _add_model(draft, provider, name, table, place.at("models", name))


def _shared_dimensions(tables: Mapping[str, object], place: Place) -> dict[str, Dimensions]:
    return {name: dimensions_of(table, place.at(name)) for name, table in tables.items()}


def _add_model(draft: _Draft, provider: Provider, name: str, table: object, place: Place) -> None:
    model = model_of(provider, name, table, draft.dimensions.get(provider.id, {}), place)
    draft.models[model.id] = model
    draft.places[model.id] = place


def _lay_over(draft: _Draft, tables: OperatorTables, place: Place) -> None:
    for provider_id, table in tables.providers.items():
        _set_provider(draft, provider_of(provider_id, table, place.at("providers", provider_id)))
    shared = _shared_dimensions(tables.dimensions, place.at("dimensions"))
    for provider_id in draft.providers:
        draft.dimensions[provider_id] = draft.dimensions.get(provider_id, {}) | shared
    for model_id, table in tables.models.items():
        here = place.at("models", model_id)
        provider, name = _named_in_full(draft, model_id, here)
        _add_model(draft, provider, name, table, here)
    _change_each(draft, tables.prices, place.at("prices"), _with_price)
    _change_each(draft, tables.retirement, place.at("retirement"), _with_retirement)


def _set_provider(draft: _Draft, provider: Provider) -> None:
    draft.providers[provider.id] = provider
    for model_id, model in draft.models.items():
        if model.provider.id == provider.id:
            draft.models[model_id] = replace(model, provider=provider)


def _named_in_full(draft: _Draft, model_id: str, place: Place) -> tuple[Provider, str]:
    provider_id, _, name = model_id.partition("/")
    if not name:
        raise place.wrong('expected a full name such as "provider/name".')
    if provider_id not in draft.providers:
        suggestion = meant(provider_id, draft.providers)
        raise place.wrong(f'there is no provider "{provider_id}".{suggestion} Known: {", ".join(draft.providers)}.')
    return draft.providers[provider_id], name


def _change_each(
    draft: _Draft, tables: Mapping[str, object], place: Place, change: Callable[[Model, object, Place], Model]
) -> None:
    for model_id, table in tables.items():
        here = place.at(model_id)
        if model_id not in draft.models:
            raise here.wrong(f"there is no such model.{meant(model_id, draft.models)}")
        draft.models[model_id] = change(draft.models[model_id], table, here)


def _with_price(model: Model, table: object, place: Place) -> Model:
    price = price_of(read_table(table, PriceTable, place), place)
    if model.images and not model.images.tokens_per_image:
        raise place.wrong("this model's entry has no tokens_per_image, so a price per token prices no picture.")
    return replace(model, price=price)


def _with_retirement(model: Model, table: object, place: Place) -> Model:
    on_retired = read_table(table, RetirementTable, place).on_retired
    if on_retired == "serve" and not model.lifecycle.replaced_by:
        raise place.at("on_retired").wrong('"serve" needs a replacement, and this model names none.')
    return replace(model, lifecycle=replace(model.lifecycle, on_retired=on_retired))


def _link_replacements(draft: _Draft) -> None:
    """Turn each `replaced_by` into a full id: a model of the same provider first, then any by its full name."""
    for model_id, model in draft.models.items():
        written = model.lifecycle.replaced_by
        if written is None:
            continue
        sibling = f"{model.provider.id}/{written}"
        found = sibling if sibling in draft.models else written
        if found not in draft.models:
            suggestion = meant(sibling, draft.models)
            raise draft.places[model_id].at("replaced_by").wrong(f'there is no model "{written}".{suggestion}')
        draft.models[model_id] = replace(model, lifecycle=replace(model.lifecycle, replaced_by=found))
    for model_id in draft.models:
        _check_replacements_end(draft, model_id)


def _check_replacements_end(draft: _Draft, model_id: str) -> None:
    seen = [model_id]
    while (following := draft.models[seen[-1]].lifecycle.replaced_by) is not None:
        if following in seen:
            circle = " -> ".join([*seen, following])
            raise draft.places[model_id].at("replaced_by").wrong(f"the replacements go round in a circle: {circle}.")
        seen.append(following)


def _add_alias(draft: _Draft, alias: str, target: object, place: Place) -> None:
    here = place.at(alias)
    if not NAME.fullmatch(alias):
        raise here.wrong("this is no name: letters, digits, and . _ : - / between them.")
    if not isinstance(target, str):
        raise here.wrong("expected the full name of a model, as text in quotes.")
    if target not in draft.models:
        raise here.wrong(f'there is no model "{target}".{meant(target, draft.models)}')
    if alias in draft.models:
        raise here.wrong("a model has this name already; an alias needs another.")
    if alias in draft.aliases:
        raise here.wrong(f"this is an alias of {draft.aliases[alias]} already.")
    draft.aliases[alias] = target


def _finished(draft: _Draft) -> Catalogue:
    models = {
        model_id: replace(model, aliases=tuple(alias for alias, target in draft.aliases.items() if target == model_id))
        for model_id, model in draft.models.items()
    }
    return Catalogue(MappingProxyType(draft.providers), MappingProxyType(models), MappingProxyType(draft.aliases))
