"""From the catalogue's tables to providers, models and prices.

Rule: an entry is checked against itself here (a dimension for a ratio that the model does
not take, a price that is no amount); what it says of other entries is checked by the loader.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

from impasto.catalogue.dimensions import Dimensions, dimensions_for
from impasto.catalogue.schema import (
    ModelTable,
    Place,
    PriceTable,
    ProviderTable,
    meant,
    read_table,
)
from impasto.domain.model import ImageLimits, Lifecycle, Model, Provider
from impasto.domain.pricing import Price

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*(/[A-Za-z0-9][A-Za-z0-9._:-]*)*")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_ADDRESS = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*[^\s?#/])?")
_HEADER = re.compile(r"[A-Za-z0-9-]+")
_AMOUNT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,12})?")

_ONLY_FOR_PICTURES = (
    "aspect_ratios",
    "image_sizes",
    "default_image_size",
    "sends_image_size",
    "drafts",
    "max_images_per_call",
    "reserve_other_tokens",
    "tokens_per_image",
    "dimensions_from",
    "dimensions",
)
_NEEDED_FOR_PICTURES = ("aspect_ratios", "image_sizes", "default_image_size", "reserve_other_tokens")


def provider_of(provider_id: str, raw: object, place: Place) -> Provider:
    """The provider that a `[provider]` table describes. Raises `CatalogueError`."""
    table = read_table(raw, ProviderTable, place)
    if not NAME.fullmatch(provider_id) or "/" in provider_id:
        raise place.wrong("a provider's id holds letters, digits, dots and dashes only.")
    if table.base_url and not _ADDRESS.fullmatch(table.base_url):
        raise place.at("base_url").wrong("expected an address such as https://example.com, without a slash at the end.")
    for key, names in (("base_url_env", (table.base_url_env,) * bool(table.base_url_env)), ("key_env", table.key_env)):
        for name in names:
            if not _VARIABLE.fullmatch(name):
                raise place.at(key).wrong(f'"{name}" is no name of an environment variable such as EXAMPLE_API_KEY.')
    if table.key_env and table.auth is None:
        raise place.wrong('"auth" is missing: key_env names a key, and auth says which header it goes into.')
    if table.auth and not _HEADER.fullmatch(table.auth.header):
        raise place.at("auth", "header").wrong(f'"{table.auth.header}" is no name of an HTTP header.')
    return Provider(
        id=provider_id,
        name=table.name,
        adapter=table.adapter,
        base_url=table.base_url,
        base_url_env=table.base_url_env,
        key_env=table.key_env,
        key_header=table.auth.header.lower() if table.auth else "",
        key_prefix=table.auth.prefix if table.auth else "",
        max_request_mb=table.max_request_mb,
    )


def model_of(provider: Provider, name: str, raw: object, shared: Mapping[str, Dimensions], place: Place) -> Model:
    """The model that a `[models.…]` table describes. Raises `CatalogueError`.

    `replaced_by` is left as it was written: only the loader knows the other entries.
    """
    table = read_table(raw, ModelTable, place)
    for word in (name, table.sent_as or name):
        if not NAME.fullmatch(word):
            raise place.wrong(f'"{word}" is no name: letters, digits, and . _ : - / between them.')
    for key in ("input", "output", "aspect_ratios", "image_sizes", "parameters", "thinking_levels", "aliases"):
        _check_said_once(getattr(table, key) or (), place.at(key))
    if table.on_retired == "serve" and not table.replaced_by:
        raise place.at("on_retired").wrong('"serve" needs a replaced_by that can answer instead.')
    price = price_of(table.price, place.at("price")) if table.price else None
    return Model(
        id=f"{provider.id}/{name}",
        provider=provider,
        wire_name=table.sent_as or name,
        input=table.input,
        output=table.output,
        images=_image_limits_of(table, shared, place),
        price=price,
        lifecycle=Lifecycle(
            released=table.released,
            deprecated=table.deprecated,
            retired=table.retired,
            replaced_by=table.replaced_by,
            on_retired=table.on_retired,
            note=table.note,
        ),
        parameters=table.parameters,
        thinking_levels=table.thinking_levels,
        signatures=table.signatures,
        system_messages=table.system_messages,
        max_input_images=table.max_input_images or 0,
        input_media_types=table.input_media_types,
        max_input_tokens=table.max_input_tokens,
        max_output_tokens=table.max_output_tokens,
        description=table.description,
        known_by=table.known_by,
        aliases=table.aliases,
    )


def price_of(table: PriceTable, place: Place) -> Price:
    """The price that a table describes. Raises `CatalogueError`."""

    def amount(key: str, written: str) -> Decimal:
        if not _AMOUNT.fullmatch(written):
            raise place.at(key).wrong(f'"{written}" is no amount; expected US dollars such as "0.50", below a million.')
        return Decimal(written)

    def amount_if_known(key: str, written: str | None) -> Decimal | None:
        return None if written is None else amount(key, written)

    return Price(
        input=amount("input", table.input),
        output_text=amount_if_known("output_text", table.output_text),
        output_image=amount_if_known("output_image", table.output_image),
        checked=table.checked,
        source=table.source,
        input_image=amount_if_known("input_image", table.input_image),
        cached_input=amount_if_known("cached_input", table.cached_input),
    )


def _image_limits_of(table: ModelTable, shared: Mapping[str, Dimensions], place: Place) -> ImageLimits | None:
    if "image" not in table.output:
        for key in _ONLY_FOR_PICTURES:
            if getattr(table, key) is not None:
                raise place.at(key).wrong('only a model whose output has "image" has this key.')
        return None
    for key in _NEEDED_FOR_PICTURES:
        if getattr(table, key) is None:
            raise place.wrong(f'"{key}" is missing: the output has "image".')
    sizes = table.image_sizes or ()
    if table.default_image_size not in sizes:
        raise place.at("default_image_size").wrong(f"expected one of image_sizes: {', '.join(sizes)}.")
    if table.drafts and table.max_images_per_call is None:
        raise place.wrong('"max_images_per_call" is missing: each draft is billed, so the most must be known.')
    return ImageLimits(
        aspect_ratios=table.aspect_ratios or (),
        image_sizes=sizes,
        default_image_size=str(table.default_image_size),
        sends_image_size=table.sends_image_size is not False,
        drafts=table.drafts is True,
        max_images_per_call=table.max_images_per_call or 1,
        reserve_other_tokens=table.reserve_other_tokens or 0,
        dimensions=dimensions_for(table, shared, place),
        tokens_per_image=_tokens_per_image(table, sizes, place.at("tokens_per_image")),
    )


def _tokens_per_image(table: ModelTable, sizes: tuple[str, ...], place: Place) -> dict[str, int]:
    tokens = table.tokens_per_image or {}
    for size in tokens:
        if size not in sizes:
            raise place.at(size).wrong(f"expected one of image_sizes: {', '.join(sizes)}.{meant(size, sizes)}")
    for size in sizes:
        if size not in tokens and (tokens or table.price):
            raise place.wrong(f'"{size}" is missing: a picture of each size is reserved for by its tokens.')
    return {size: tokens[size] for size in sizes if size in tokens}


def _check_said_once(words: tuple[str, ...], place: Place) -> None:
    for word in words:
        if words.count(word) > 1:
            raise place.wrong(f'"{word}" stands there twice.')
