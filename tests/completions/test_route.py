from dataclasses import replace

import pytest

from impasto.catalogue.load import load_catalogue
from impasto.completions.route import Route, route_of
from impasto.domain.errors import Code, Failure
from impasto.domain.image import ImageConfig
from tests.fakes.models import GOOGLE, LIMITS, a_catalogue, a_model, a_request, retiring

NEW = a_model("new", images=replace(LIMITS, image_sizes=("1K",)))
OLD = a_model("old", lifecycle=retiring(NEW.id))


def test_a_model_is_found_by_its_name_and_by_an_alias() -> None:
    catalogue = a_catalogue(NEW, aliases={"painter of the week": NEW.id})
    assert route_of(a_request(NEW.id), catalogue) == Route(NEW)
    assert route_of(a_request("painter of the week"), catalogue) == Route(NEW)


@pytest.mark.parametrize(
    ("name", "says"),
    [("google/newt", "Did you mean google/new?"), ("", "GET /v3/models"), ("x" * 10_000, 'There is no model "xxx')],
)
def test_an_unknown_model_is_not_found(name: str, says: str) -> None:
    with pytest.raises(Failure) as raised:
        route_of(a_request(name), a_catalogue(NEW))
    assert (raised.value.code, raised.value.param) == (Code.MODEL_NOT_FOUND, "model")
    assert says in raised.value.message
    assert len(raised.value.message) < 300


def test_what_the_model_cannot_do_is_refused() -> None:
    with pytest.raises(Failure) as raised:
        route_of(a_request(NEW.id, image_config=ImageConfig(image_size="2K")), a_catalogue(NEW))
    assert raised.value.param == "image_config.image_size"


def test_a_replacement_stands_by_where_it_may() -> None:
    assert route_of(a_request(OLD.id), a_catalogue(OLD, NEW)) == Route(OLD, NEW)
    refusing = replace(OLD, lifecycle=retiring(NEW.id, serve=False))
    assert route_of(a_request(OLD.id), a_catalogue(refusing, NEW)) == Route(refusing)


def test_a_replacement_that_cannot_say_the_request_does_not_stand_by() -> None:
    request = a_request(OLD.id, image_config=ImageConfig(image_size="2K"))
    assert route_of(request, a_catalogue(OLD, NEW)) == Route(OLD)


def test_the_same_model_under_another_name_does_not_stand_by() -> None:
    again = a_model("again", wire_name="old")
    old = replace(OLD, lifecycle=retiring(again.id))
    assert route_of(a_request(OLD.id), a_catalogue(old, again)) == Route(old)
    elsewhere = replace(again, provider=replace(GOOGLE, id="another"))
    assert route_of(a_request(OLD.id), a_catalogue(old, elsewhere)) == Route(old, elsewhere)


def test_a_retired_model_names_its_replacement() -> None:
    failure = Route(OLD).retired("it said so")
    assert (failure.code, failure.param) == (Code.MODEL_RETIRED, "model")
    assert failure.message == "Google no longer serves google/old. Ask for google/new instead."
    assert failure.logged == "it said so"
    assert "GET /v3/models" in Route(NEW).retired().message


def test_the_preview_of_3_1_flash_image_has_a_replacement_except_at_512() -> None:
    catalogue = load_catalogue()
    name = "google/gemini-3.1-flash-image-preview"
    route = route_of(a_request(name, image_config=ImageConfig("16:9", "1K")), catalogue)
    assert route.model.wire_name == "gemini-3.1-flash-image"
    assert route.replacement is not None
    assert route.replacement.id == "google/gemini-nano-banana-2.1"
    small = route_of(a_request(name, image_config=ImageConfig("16:9", "512")), catalogue)
    assert small.replacement is None
    assert "google/gemini-nano-banana-2.1" in small.retired().message
