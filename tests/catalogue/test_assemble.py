"""Files and the operator's tables become one catalogue; what entries say of each other is checked."""

import tomllib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.catalogue.assemble import assemble
from impasto.catalogue.catalogue import Catalogue
from impasto.catalogue.schema import OPERATOR_TABLES, CatalogueError
from impasto.domain.model import Model

ACME = Path(__file__).with_name("acme.toml").read_text(encoding="utf-8")
ROLLER = """
description = "Paints walls."
known_by = "documentation"
input = ["text"]
output = ["image"]
aspect_ratios = ["1:1"]
image_sizes = ["1K"]
default_image_size = "1K"
reserve_other_tokens = 0
"""


def with_operator(toml: str = "") -> Catalogue:
    return assemble({"acme.toml": ACME}, tomllib.loads(toml), origin="impasto.toml")


def brush_of(catalogue: Catalogue) -> Model:
    return catalogue.models["acme/brush"]


def refusal_of(toml: str) -> str:
    with pytest.raises(CatalogueError) as caught:
        with_operator(toml)
    return str(caught.value)


def test_a_providers_file_becomes_a_catalogue() -> None:
    catalogue = with_operator()
    acme, brush = catalogue.providers["acme"], brush_of(catalogue)
    assert (acme.id, acme.key_header, acme.key_prefix) == ("acme", "authorization", "Bearer ")
    assert list(catalogue.models) == ["acme/brush", "acme/pen"]
    assert brush.provider is acme
    assert brush.images is not None
    assert brush.images.dimensions == {"1K": {"1:1": (1024, 1024), "16:9": (1392, 784)}, "2K": {"1:1": (2048, 2048)}}
    assert brush.aliases == ("acme/paintbrush",)
    assert catalogue.find("acme/paintbrush") is brush
    assert catalogue.models["acme/pen"].images is None
    assert catalogue.models["acme/pen"].lifecycle.replaced_by == "acme/brush"


def test_only_rows_that_the_entry_lists_are_taken_of_a_shared_table() -> None:
    catalogue = with_operator(f'[models."acme/roller"]\n{ROLLER}\ndimensions_from = ["plain"]')
    roller = catalogue.models["acme/roller"].images
    assert roller is not None
    assert roller.dimensions == {"1K": {"1:1": (1024, 1024)}}


def test_the_operator_adds_a_provider_and_a_model() -> None:
    catalogue = with_operator(f"""
        [providers.home]
        name = "At home"
        adapter = "openai_chat"
        base_url = "http://10.0.0.7:8000"

        [dimensions.mine."1K"]
        "1:1" = "1000x1000"

        [models."home/org/roller"]
        {ROLLER}
        dimensions_from = ["mine"]
        replaced_by = "acme/brush"
    """)
    roller = catalogue.models["home/org/roller"]
    assert (roller.wire_name, roller.provider.base_url) == ("org/roller", "http://10.0.0.7:8000")
    assert roller.price is None
    assert roller.images is not None
    assert roller.images.dimensions == {"1K": {"1:1": (1000, 1000)}}
    assert roller.lifecycle.replaced_by == "acme/brush"


def test_the_operator_replaces_a_whole_entry() -> None:
    brush = brush_of(with_operator(f'[models."acme/brush"]\n{ROLLER}'))
    assert brush.description == "Paints walls."
    assert (brush.price, brush.aliases) == (None, ())


def test_the_operator_replaces_a_provider_under_its_models() -> None:
    catalogue = with_operator("""
        [providers.acme]
        name = "Acme through a proxy"
        adapter = "gemini"
        base_url = "https://proxy.example/acme"
    """)
    assert brush_of(catalogue).provider is catalogue.providers["acme"]
    assert brush_of(catalogue).provider.name == "Acme through a proxy"


def test_the_operator_overrides_a_price_alone() -> None:
    before = brush_of(with_operator())
    after = brush_of(
        with_operator("""
        [prices."acme/brush"]
        unit = "US dollars per million tokens"
        input = "0.40"
        output_image = "50"
        checked = 2026-11-01
        source = "Our contract"
    """)
    )
    assert after.price is not None
    assert (after.price.input, after.price.output_text, after.price.output_image) == (
        Decimal("0.40"),
        None,
        Decimal(50),
    )
    assert (after.price.checked, after.price.source) == (date(2026, 11, 1), "Our contract")
    assert after.images == before.images


def test_the_operator_says_what_happens_to_a_retired_model() -> None:
    catalogue = with_operator('[retirement."acme/pen"]\non_retired = "serve"')
    assert catalogue.models["acme/pen"].lifecycle.on_retired == "serve"
    assert with_operator().models["acme/pen"].lifecycle.on_retired == "refuse"


def test_the_operator_gives_aliases() -> None:
    catalogue = with_operator('[aliases]\nb = "acme/brush"')
    assert catalogue.find("b") is brush_of(catalogue)
    assert brush_of(catalogue).aliases == ("acme/paintbrush", "b")


def test_the_operators_tables_have_names_that_a_configuration_can_ask_for() -> None:
    assert set(OPERATOR_TABLES) == {"providers", "models", "prices", "retirement", "aliases", "dimensions"}


def test_a_price_per_token_needs_the_tokens_of_a_picture() -> None:
    price = 'unit = "US dollars per million tokens"\ninput = "1"\nchecked = 2026-11-22\nsource = "x"'
    said = refusal_of(f'[models."acme/roller"]\n{ROLLER}\n[prices."acme/roller"]\n{price}')
    assert said.startswith('impasto.toml: prices."acme/roller": this model\'s entry has no tokens_per_image')


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[model]", 'impasto.toml: model: unknown key. Did you mean "models"? Known here: providers, models, '),
        (
            '[models.brush]\ninput = ["text"]',
            'impasto.toml: models.brush: expected a full name such as "provider/name".',
        ),
        (
            '[models."acne/brush"]',
            'impasto.toml: models."acne/brush": there is no provider "acne". Did you mean "acme"? Known: acme.',
        ),
        ('[models]\n"acme/brush" = 3', 'impasto.toml: models."acme/brush": expected a table.'),
        ('models = ["x"]', "impasto.toml: models: expected a table."),
        (
            '[prices."acme/brsh"]',
            'impasto.toml: prices."acme/brsh": there is no such model. Did you mean "acme/brush"?',
        ),
        (
            '[prices."acme/brush"]\nunit = "US dollars per million tokens"\ninput = "1"\nsource = "x"',
            'impasto.toml: prices."acme/brush": "checked" is missing.',
        ),
        (
            '[retirement."acme/pen"]\non_retired = "server"',
            'impasto.toml: retirement."acme/pen".on_retired: "server" is unknown. Did you mean "serve"? Expected',
        ),
        (
            '[retirement."acme/brush"]\non_retired = "serve"',
            'impasto.toml: retirement."acme/brush".on_retired: "serve" needs a replacement, and this model names none.',
        ),
        (
            '[aliases]\nb = "acme/brsh"',
            'impasto.toml: aliases.b: there is no model "acme/brsh". Did you mean "acme/brush"?',
        ),
        ("[aliases]\nb = 3", "impasto.toml: aliases.b: expected the full name of a model, as text in quotes."),
        ('[aliases]\n"a b" = "acme/pen"', 'impasto.toml: aliases."a b": this is no name: letters, digits, and '),
        (
            '[aliases]\n"acme/pen" = "acme/brush"',
            'impasto.toml: aliases."acme/pen": a model has this name already; an alias needs another.',
        ),
        (
            '[aliases]\n"acme/paintbrush" = "acme/pen"',
            'impasto.toml: aliases."acme/paintbrush": this is an alias of acme/brush already.',
        ),
        (
            f'[models."acme/roller"]\n{ROLLER}\nreplaced_by = "brsh"',
            'impasto.toml: models."acme/roller".replaced_by: there is no model "brsh". Did you mean "acme/brush"?',
        ),
        (
            f'[models."acme/brush"]\n{ROLLER}\nreplaced_by = "pen"',
            "the replacements go round in a circle: acme/brush -> acme/pen -> acme/brush.",
        ),
        ('[providers."a/b"]\nname = "x"\nadapter = "x"', 'impasto.toml: providers."a/b": a provider\'s id holds '),
    ],
)
def test_what_the_operator_cannot_say(toml: str, said: str) -> None:
    assert said in refusal_of(toml)


def test_a_replacement_is_a_sibling_first() -> None:
    """A provider of others' models has names with a slash, which may be somebody else's full id."""
    catalogue = with_operator(f"""
        [providers.broker]
        name = "Broker"
        adapter = "openai_chat"
        base_url = "https://broker.example"

        [models."broker/acme/brush"]
        {ROLLER}

        [models."broker/old"]
        {ROLLER}
        replaced_by = "acme/brush"
    """)
    assert catalogue.models["broker/old"].lifecycle.replaced_by == "broker/acme/brush"


def test_two_files_may_name_each_others_models_in_any_order() -> None:
    other = ACME.replace('replaced_by = "brush"', 'replaced_by = "zeta/pen"').replace("acme/paintbrush", "paint")
    zeta = ACME.replace("acme/paintbrush", "zeta/paintbrush")
    catalogue = assemble({"acme.toml": other, "zeta.toml": zeta}, {}, origin="")
    assert catalogue.models["acme/pen"].lifecycle.replaced_by == "zeta/pen"


VALUES: st.SearchStrategy[object] = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.dates() | st.datetimes() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def tables_in(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield table
    for value in table.values():
        if isinstance(value, dict):
            yield from tables_in(value)


@given(data=st.data(), value=VALUES)
def test_whatever_is_written_is_taken_or_refused_in_our_words(data: st.DataObject, value: object) -> None:
    """Law: one key of a sound file, changed to anything or added anywhere, gives a catalogue or a `CatalogueError`."""
    parsed = tomllib.loads(ACME)
    tables: dict[str, Any] = {
        "providers": {"acme": parsed["provider"]},
        "dimensions": parsed["dimensions"],
        "models": {"acme/brush": parsed["models"]["brush"]},
        "prices": {"acme/brush": parsed["models"]["brush"]["price"]},
        "retirement": {"acme/pen": {"on_retired": "serve"}},
        "aliases": {"b": "acme/brush"},
    }
    table = data.draw(st.sampled_from(list(tables_in(tables))))
    key = data.draw(st.sampled_from(sorted(table)) | st.text(max_size=12))
    table[key] = value
    try:
        assert assemble({"acme.toml": ACME}, tables, origin="impasto.toml").models
    except CatalogueError as error:
        assert str(error).startswith("impasto.toml: ")  # noqa: PT017
        assert str(error).endswith((".", "?"))  # noqa: PT017
