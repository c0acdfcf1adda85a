"""Laws of requests to Gemini: whatever is said, what is sent is JSON that says the same."""

import json

from hypothesis import given
from hypothesis import strategies as st

from impasto.adapters.gemini import GeminiAdapter
from impasto.domain.chat import ImagePart, TextPart, Turn
from impasto.domain.model import Model
from tests.fakes.models import a_call, a_model, a_text_model
from tests.fakes.pictures import picture_part

PICTURE = picture_part()
PARTS = st.builds(TextPart, st.text(max_size=30)) | st.just(PICTURE)
TURNS = st.lists(
    st.builds(Turn, st.sampled_from(["user", "assistant"]), st.lists(PARTS, min_size=1, max_size=4).map(tuple))
    | st.builds(Turn, st.just("system"), st.lists(st.builds(TextPart, st.text(max_size=30)), max_size=2).map(tuple)),
    max_size=5,
)
MODELS = st.builds(a_model, signatures=st.booleans(), system_messages=st.booleans()) | st.just(a_text_model())


@given(st.text())
def test_any_words_survive(text: str) -> None:
    body = json.loads(b"".join(map(bytes, GeminiAdapter().render(a_call(turns=f"{text}.")).body)))
    assert body["contents"][0]["parts"] == [{"text": f"{text}."}]


@given(MODELS, TURNS)
def test_nothing_that_was_said_is_lost(model: Model, turns: list[Turn]) -> None:
    said = [part for turn in turns for part in turn.parts if not isinstance(part, TextPart) or part.text]
    if not any(turn.role != "system" and any(part in said for part in turn.parts) for turn in turns):
        return
    request = GeminiAdapter().render(a_call(model, turns))
    body = json.loads(b"".join(map(bytes, request.body)))
    assert body.keys() <= {"contents", "systemInstruction", "generationConfig"}
    sent = json.dumps(body, ensure_ascii=False)
    for part in said:
        if isinstance(part, TextPart):
            assert json.dumps(part.text, ensure_ascii=False)[1:-1] in sent
    pictures = [part for part in said if isinstance(part, ImagePart)]
    assert sum(piece is PICTURE.base64 for piece in request.body) == len(pictures)
    assert all(content["parts"] for content in body["contents"])
