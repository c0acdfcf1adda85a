"""What Google took, the simulator takes; what Google refused, it refuses in the same words."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from impasto.simulator.errors import Rejected, bad_key, unknown_model
from impasto.simulator.gemini_wire import check_request, read_request
from impasto.simulator.models import MODELS, by_name
from tests.simulator.recordings import exchanges, files

TAKEN = files("gemini")
pytestmark = pytest.mark.skipif(not TAKEN, reason="no recordings here")


def refused(name: str) -> Any:
    (path,) = (path for path in files("gemini-errors") if name in path.name)
    return next((asked, answered) for _, asked, answered in exchanges(path))


@pytest.mark.parametrize("path", TAKEN, ids=lambda path: path.name)
def test_recorded_requests_are_taken(path: Path) -> None:
    models = by_name(MODELS)
    for uri, asked, _ in exchanges(path):
        name = re.findall(r"models/([^:]+):", uri)[0]
        _, parsed = read_request(msgspec.json.encode(asked))
        check_request(models[name], parsed)


def test_an_unknown_field_is_refused_in_the_same_words() -> None:
    asked, answered = refused("unknown-field")
    with pytest.raises(Rejected) as caught:
        read_request(msgspec.json.encode(asked))
    assert caught.value.body() == answered


def test_a_bad_key_is_refused_in_the_same_words() -> None:
    assert bad_key().body() == refused("api-key-invalid")[1]


def test_an_unknown_model_is_refused_in_the_same_words() -> None:
    assert unknown_model("gemini-nonexistent-rig-test").body() == refused("nonexistent-model_unary")[1]
