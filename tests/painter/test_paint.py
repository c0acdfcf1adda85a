"""Painting: exact dimensions, the same bytes every time, and words that are true."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impasto.painter.compose import known_scenes
from impasto.painter.paint import paint, working_size
from impasto.painter.prompt import read_prompt
from impasto.painter.scenes.choice import scene_of
from impasto.painter.telling import words_of

BANANAS = "A nano banana dish in a fancy restaurant, cinematic lighting"

PROMPTS = {
    "restaurant": BANANAS,
    "kitchen": "coffee and a croissant for breakfast",
    "studio": "a robot",
    "sea": "a lighthouse in a storm",
    "beach": "a crab on the beach",
    "lake": "a swan",
    "mountains": "a castle in the mountains at dusk",
    "forest": "a fox in a forest in autumn",
    "meadow": "three cats",
    "city": "fireworks over a neon city",
    "street": "a red car in the rain",
    "space": "a rocket",
    "moon": "a cat on the moon",
    "mars": "a ufo on mars",
    "underwater": "two sharks and a coral",
    "desert": "a camel",
    "winter": "penguins under the northern lights, snowing",
    "sky": "an airplane and a rainbow",
    "abstract": "",
}


def test_every_scene_has_a_prompt_here() -> None:
    assert set(PROMPTS) == known_scenes()


@pytest.mark.parametrize("scene", PROMPTS)
def test_scenes_are_found_and_painted(scene: str) -> None:
    painting = paint(PROMPTS[scene], width=176, height=96, seed=3)
    assert painting.report["scene"] == scene
    assert painting.pixels.shape == (96, 176, 3)
    assert painting.pixels.dtype == np.uint8
    assert painting.pixels.std() > 8


@pytest.mark.parametrize(("width", "height"), [(64, 64), (44, 366), (366, 44), (64, 16), (96, 171), (1, 1)])
@pytest.mark.parametrize("prompt", [BANANAS, "a swan on a lake", "a city street at night"])
def test_dimensions_are_exact(prompt: str, width: int, height: int) -> None:
    assert paint(prompt, width=width, height=height, seed=1).pixels.shape == (height, width, 3)


@pytest.mark.parametrize(
    "style", ["watercolor", "oil painting", "pencil", "comic", "pixel art", "poster", "noir", "sepia"]
)
def test_styles_change_the_picture(style: str) -> None:
    plainly = paint("a lighthouse by the sea", width=128, height=96, seed=2)
    styled = paint(f"a lighthouse by the sea, {style}", width=128, height=96, seed=2)
    assert styled.report["ignored"] == []
    assert np.abs(styled.pixels.astype(int) - plainly.pixels).mean() > 3


def test_the_same_request_gives_the_same_bytes() -> None:
    first, second = (paint(BANANAS, width=172, height=96, seed=11) for _ in range(2))
    assert np.array_equal(first.pixels, second.pixels)
    assert (first.words, first.report) == (second.words, second.report)


@pytest.mark.parametrize("prompt", [BANANAS, "a meadow", "nothing of this kind"])
def test_another_seed_gives_another_picture(prompt: str) -> None:
    one, other = (paint(prompt, width=96, height=64, seed=seed) for seed in (1, -2))
    assert not np.array_equal(one.pixels, other.pixels)


def test_large_pictures_are_composed_small() -> None:
    rows, columns = working_size(4096, 4096)
    assert rows == columns < 1300
    assert working_size(768, 1376) == (768, 1376)
    rows, columns = working_size(11712, 1464)
    assert abs(rows / columns - 8) < 0.05


def test_an_enlarged_picture_has_its_dimensions() -> None:
    assert paint("a robot", width=1800, height=1000, seed=1).pixels.shape == (1000, 1800, 3)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (BANANAS, "A restaurant table by candlelight with small bananas on a plate."),
        ("three cats and an owl at dusk", "A meadow at dusk with three cats and an owl."),
        ("a lighthouse, watercolor", "The sea at sunset with a lighthouse, as a watercolor."),
        ("a horse and a gizmo", 'A meadow by day with a horse. I left out: "gizmo".'),
        (
            "a girl with a dog",
            'A meadow by day with a dog. I do not paint people, so I left out: "girl".',
        ),
        (
            "100 balloons",
            "The sky by day with twelve balloons. I paint at most twelve of a kind here; 100 balloons were asked for.",
        ),
        ("a robot in the rain", "A street at dusk in the rain with a robot."),
        ("a robot in a studio, raining", 'A studio with a robot. I left out: "raining".'),
        ("a robot in the evening, at sea", "The sea at sunset with a robot."),
        ("coffee in the morning", "A table by a window with coffee."),
        ("a robot in a studio at midnight", 'A studio with a robot. I left out: "midnight".'),
        ("two bananas", "A table by a window with two bananas."),
        ("a banana", "A table by a window with bananas on a plate."),
        ("a blue forest", 'A forest by day. I left out: "blue".'),
        ("", "I found nothing in the prompt that I can draw, so this is an abstract of folded colour."),
    ],
)
def test_words_are_true(prompt: str, words: str) -> None:
    assert paint(prompt, width=48, height=32, seed=1).words == words


def test_the_report_says_the_same_as_data() -> None:
    report = paint("two elephants, a knight and a gizmo", width=48, height=32, seed=1).report
    assert report == {"scene": "meadow", "drew": ["elephant"], "ignored": ["knight", "gizmo"]}


@settings(max_examples=12, deadline=None)
@given(st.text(max_size=60), st.integers(), st.integers(16, 40), st.integers(16, 40))
def test_any_text_gives_a_picture(prompt: str, seed: int, width: int, height: int) -> None:
    painting = paint(prompt, width=width, height=height, seed=seed)
    assert painting.pixels.shape == (height, width, 3)
    assert painting.words


@given(
    st.lists(
        st.sampled_from(["two", "red", "a", "cat", "owls", "forest", "rain", "girl", "xyz", "neon", "oil"]), max_size=7
    )
)
def test_whatever_is_asked_is_drawn_or_left_out(words: list[str]) -> None:
    brief = read_prompt(" ".join(words))
    told = words_of(brief, scene_of(brief), "day", brief.ignored)
    for word, shown in (("cat", "cat"), ("owls", "owl"), ("xyz", '"xyz"'), ("girl", '"girl"')):
        assert (word in words) == (shown in told)
