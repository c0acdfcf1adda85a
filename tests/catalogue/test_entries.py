"""Every kind of mistake in a provider's file, and the sentence that tells of it."""

from pathlib import Path

import pytest

from impasto.catalogue.assemble import assemble
from impasto.catalogue.schema import CatalogueError

ACME = Path(__file__).with_name("acme.toml").read_text(encoding="utf-8")
BRUSH = "acme.toml: models.brush"


def refusal_of(text: str) -> str:
    with pytest.raises(CatalogueError) as caught:
        assemble({"acme.toml": text}, {}, origin="")
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        # Keys.
        (
            "reserve_other_tokens",
            "reserve_other_token",
            f'{BRUSH}.reserve_other_token: unknown key. Did you mean "reserve_other_tokens"? Known here: input, ',
        ),
        ("output_image", "ouput_image", f'{BRUSH}.price.ouput_image: unknown key. Did you mean "output_image"?'),
        ("prefix", "zzz", "acme.toml: provider.auth.zzz: unknown key. Known here: header, prefix."),
        ("[models.pen]", "[model.pen]", 'acme.toml: model: unknown key. Did you mean "models"?'),
        ('description = "Paints."', "", f'{BRUSH}: "description" is missing.'),
        ('adapter = "gemini"', "", 'acme.toml: provider: "adapter" is missing.'),
        # Prices.
        ("checked = 2026-11-22", "", f'{BRUSH}.price: "checked" is missing.'),
        ("checked = 2026-11-22", 'checked = "today"', f"{BRUSH}.price.checked: expected a date such as 2026-11-22."),
        ("checked = 2026-11-22", "checked = 2026", f"{BRUSH}.price.checked: expected a date such as 2026-11-22."),
        ('source = "https://acme.example/prices"', "", f'{BRUSH}.price: "source" is missing.'),
        (
            'source = "https://acme.example/prices"',
            'source = ""',
            f"{BRUSH}.price.source: must not be empty.",
        ),
        ('input = "0.50"', "input = 0.5", f'{BRUSH}.price.input: expected text; quote it: "0.5".'),
        ('output_text = "3.00"', "output_text = 3", f'{BRUSH}.price.output_text: expected text; quote it: "3".'),
        (
            'input = "0.50"',
            'input = "-1"',
            f'{BRUSH}.price.input: "-1" is no amount; expected US dollars such as "0.50"',
        ),
        ('input = "0.50"', 'input = "1e3"', f'{BRUSH}.price.input: "1e3" is no amount'),
        ('input = "0.50"', 'input = "NaN"', f'{BRUSH}.price.input: "NaN" is no amount'),
        ('input = "0.50"', 'input = "0,50"', f'{BRUSH}.price.input: "0,50" is no amount'),
        ('input = "0.50"', 'input = "1000000"', f'{BRUSH}.price.input: "1000000" is no amount'),
        (
            "US dollars per million tokens",
            "US dollars per thousand tokens",
            f'{BRUSH}.price.unit: "US dollars per thousand tokens" is unknown. Did you mean "US dollars per',
        ),
        # Ratios, sizes, dimensions, tokens.
        (
            'aspect_ratios = ["1:1", "16:9"]',
            'aspect_ratios = ["1:1", "16:09"]',
            f'{BRUSH}.aspect_ratios: "16:09" is unknown. Did you mean "16:9"? Expected one of 1:1, ',
        ),
        ('image_sizes = ["1K", "2K"]', 'image_sizes = ["1K", "8K"]', f'{BRUSH}.image_sizes: "8K" is unknown.'),
        ('image_sizes = ["1K", "2K"]', 'image_sizes = "1K"', f"{BRUSH}.image_sizes: expected a list."),
        ('image_sizes = ["1K", "2K"]', "", f'{BRUSH}: "image_sizes" is missing: the output has "image".'),
        ('"1:1", "16:9"]', '"1:1", "1:1"]', f'{BRUSH}.aspect_ratios: "1:1" stands there twice.'),
        (
            'default_image_size = "1K"',
            'default_image_size = "4K"',
            f"{BRUSH}.default_image_size: expected one of image_sizes: 1K, 2K.",
        ),
        (
            '"2K" = 2000',
            '"3K" = 2000',
            f"{BRUSH}.tokens_per_image.3K: expected one of image_sizes: 1K, 2K.",
        ),
        (
            '{ "1K" = 1000, "2K" = 2000 }',
            '{ "1K" = 1000 }',
            f'{BRUSH}.tokens_per_image: "2K" is missing: a picture of each size is reserved for by its tokens.',
        ),
        ('tokens_per_image = { "1K" = 1000, "2K" = 2000 }', "", f'{BRUSH}.tokens_per_image: "1K" is missing'),
        ('"2K" = 2000', '"2K" = 2e3', f"{BRUSH}.tokens_per_image: expected a whole number."),
        ('"2K" = 2000', '"2K" = 100000001', f"{BRUSH}.tokens_per_image: expected a whole number, 100000000 or less."),
        ('"2K" = 2000', '"2K" = -1', f"{BRUSH}.tokens_per_image: expected a whole number, 0 or more."),
        (
            '["plain", "measured"]',
            '["plian"]',
            f'{BRUSH}.dimensions_from: there is no [dimensions."plian"]. Did you mean "plain"? Known: plain, measured.',
        ),
        (
            '"1:1" = "2048x2048"',
            '"9:16" = "1536x2752"',
            f'{BRUSH}.dimensions.2K."9:16": not among this model\'s aspect_ratios',
        ),
        (
            'brush.dimensions."2K"',
            'brush.dimensions."4K"',
            f"{BRUSH}.dimensions.4K: not among this model's image_sizes: 1K, 2K.",
        ),
        (
            '"1:1" = "2048x2048"',
            '"1:1" = "2048 x 2048"',
            f'{BRUSH}.dimensions.2K."1:1": expected width and height in pixels',
        ),
        (
            '"1:1" = "2048x2048"',
            '"1:1" = [2048, 2048]',
            f'{BRUSH}.dimensions.2K."1:1": expected width and height in pixels',
        ),
        ('"1:1" = "2048x2048"', '"1:1" = "792x168"', f'{BRUSH}.dimensions.2K."1:1": 792x168 is not 1:1.'),
        (
            '"16:9" = "1376x768"',
            '"16:8" = "1376x768"',
            'acme.toml: dimensions.plain.1K."16:8": expected an aspect ratio. Did you',
        ),
        ('plain."1K"', 'plain."1k"', "acme.toml: dimensions.plain.1k: expected an image size. "),
        ('[dimensions.plain."1K"]', "[dimensions.plain]", 'acme.toml: dimensions.plain."1:1": expected an image size.'),
        # The rest of an entry.
        (
            'known_by = "documentation"',
            'known_by = "rumour"',
            f'{BRUSH}.known_by: "rumour" is unknown. Expected one of live, ',
        ),
        ('output = ["text", "image"]', "output = []", f"{BRUSH}.output: must not be empty."),
        (
            'output = ["text", "image"]',
            'output = ["text"]',
            f'{BRUSH}.aspect_ratios: only a model whose output has "image"',
        ),
        (
            'aliases = ["acme/paintbrush"]',
            'parameters = ["temprature"]',
            f'{BRUSH}.parameters: "temprature" is unknown. Did you mean "temperature"?',
        ),
        (
            'aliases = ["acme/paintbrush"]',
            'aliases = ["acme/pen"]',
            f'{BRUSH}.aliases."acme/pen": a model has this name already; an alias needs another.',
        ),
        ('aliases = ["acme/paintbrush"]', 'on_retired = "serve"', f'{BRUSH}.on_retired: "serve" needs a replaced_by'),
        ('aliases = ["acme/paintbrush"]', 'sent_as = "../x"', f'{BRUSH}: "../x" is no name: letters, digits, and '),
        ('aliases = ["acme/paintbrush"]', "drafts = 1", f"{BRUSH}.drafts: expected true or false."),
        ('aliases = ["acme/paintbrush"]', "drafts = true", f'{BRUSH}: "max_images_per_call" is missing: each draft is'),
        (
            'aliases = ["acme/paintbrush"]',
            "max_images_per_call = 0",
            f"{BRUSH}.max_images_per_call: expected a whole number, 1 or more.",
        ),
        (
            "[models.pen]",
            '[models."pen name"]',
            'acme.toml: models."pen name": "pen name" is no name: letters, digits, and ',
        ),
        (
            'replaced_by = "brush"',
            'replaced_by = "brsh"',
            'acme.toml: models.pen.replaced_by: there is no model "brsh".',
        ),
        (
            'replaced_by = "brush"',
            'replaced_by = "pen"',
            "acme.toml: models.pen.replaced_by: the replacements go round in a",
        ),
        # The provider.
        (
            '"https://api.acme.example"',
            '"api.acme.example"',
            "acme.toml: provider.base_url: expected an address such as https:",
        ),
        (
            '"https://api.acme.example"',
            '"https://api.acme.example/"',
            "acme.toml: provider.base_url: expected an address",
        ),
        (
            '"https://api.acme.example"',
            '"https://me:key@acme.example"',
            "acme.toml: provider.base_url: expected an address",
        ),
        ("ACME_API_KEY", "acme-key", 'acme.toml: provider.key_env: "acme-key" is no name of an environment variable'),
        (
            "ACME_BASE_URL",
            "ACME BASE",
            'acme.toml: provider.base_url_env: "ACME BASE" is no name of an environment variable',
        ),
        (
            'header = "Authorization"',
            'header = "a b"',
            'acme.toml: provider.auth.header: "a b" is no name of an HTTP header.',
        ),
        ('auth = { header = "Authorization", prefix = "Bearer " }', "", 'acme.toml: provider: "auth" is missing'),
        # The file.
        (
            "[provider]",
            "[provider",
            "acme.toml: this is no TOML: Expected ']' at the end of a table declaration (at line 3",
        ),
        ('name = "Acme"', 'name = "Acme"\nname = "Acme"', "acme.toml: this is no TOML: Cannot overwrite a value"),
    ],
)
def test_a_mistake_is_named(written: str, instead: str, said: str) -> None:
    assert written in ACME
    assert said in refusal_of(ACME.replace(written, instead, 1))


def test_the_file_that_is_spoiled_here_is_sound() -> None:
    assert len(assemble({"acme.toml": ACME}, {}, origin="").models) == 2
