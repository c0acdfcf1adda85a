"""The vocabulary agrees with itself and with the pictures that are shipped."""

from importlib.resources import files

import pytest

from impasto.painter.compose import known_scenes
from impasto.painter.figures import figure
from impasto.painter.models.landmarks import COATS, MODELS
from impasto.painter.telling import SCENES
from impasto.painter.vocabulary import homes, lexicon, nouns, plural_of

PICTURES = files("impasto.painter") / "assets" / "pictures"
ELSEWHERE = {"tree", "pine", "wine glass"}


def test_every_noun_has_its_picture() -> None:
    missing = []
    for noun in nouns().values():
        kind, _, model = noun.picture.partition(":")
        drawn = kind == "drawn" and model in {*MODELS, *COATS, *ELSEWHERE}
        if not drawn and not (PICTURES / f"{noun.picture}.webp").is_file():
            missing.append(noun.name)
    assert missing == []


def test_no_picture_is_shipped_in_vain() -> None:
    used = {noun.picture for noun in nouns().values()} | {head for head, _, _ in COATS.values()} | {"1f377"}
    assert {entry.name.removesuffix(".webp") for entry in PICTURES.iterdir()} <= used


def test_homes_are_scenes_of_known_nouns() -> None:
    assert set(homes()) <= set(nouns())
    assert set(homes().values()) <= known_scenes()


def test_every_scene_in_words_can_be_painted_and_told() -> None:
    named = {meaning.value for meanings in lexicon().values() for meaning in meanings if meaning.role == "scene"}
    assert named <= known_scenes()
    assert known_scenes() == set(SCENES)


@pytest.mark.parametrize(
    ("one", "many"),
    [("cat", "cats"), ("fox", "foxes"), ("cherry", "cherries"), ("key", "keys"), ("cup of tea", "cups of tea")],
)
def test_plurals(one: str, many: str) -> None:
    assert plural_of(one) == many


@pytest.mark.parametrize("name", ["cat", "lighthouse", "fox", "tree", "pine tree", "wine glass", "plate", "banana"])
@pytest.mark.parametrize("height", [8, 60])
def test_a_figure_has_the_height_that_was_asked_for(name: str, height: int) -> None:
    sprite = figure(nouns()[name], height, None, 1)
    assert abs(sprite.height - height) <= max(2, height // 6)
    assert sprite.alpha.max() > 0.9
    assert 0 <= sprite.colour.min() <= sprite.colour.max() <= 1.01
