"""Functions and answers in JSON: the official OpenAI client, the real program, and a strict stand-in for Google."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from impasto.simulator.faults import Calls, UnknownFinish, Words
from impasto.simulator.server import GeminiSimulator
from tests.end_to_end.gateway import KEY, gateway

SIGNING, PLAIN = "google/gemini-3.5-flash", "google/gemini-2.5-flash"
MODELS = pytest.mark.parametrize("model", [SIGNING, PLAIN])
CITY = {"type": "object", "properties": {"city": {"type": "string"}, "data": {"type": "number"}}, "required": ["city"]}


def function(name: str, parameters: dict[str, Any] | None = None) -> Any:
    described = {"name": name, "description": f"Looks up the {name}."}
    return {"type": "function", "function": described | ({"parameters": parameters} if parameters else {})}


WEATHER, CLOCK = function("weather", CITY), function("clock")
ASKED: Any = [{"role": "user", "content": "Berlin"}]


@dataclass(frozen=True, slots=True)
class World:
    """The client, and the provider at the other end."""

    client: AsyncOpenAI
    google: GeminiSimulator

    async def ask(self, messages: Any = ASKED, model: str = SIGNING, **fields: Any) -> Any:
        return await self.client.chat.completions.create(model=model, messages=messages, **fields)

    @property
    def sent(self) -> Any:
        return self.google.calls[-1].body


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with GeminiSimulator(signature_characters=1000) as google:
        environment = {"GEMINI_API_KEY": "a key", "GOOGLE_GEMINI_BASE_URL": google.base_url}
        async with (
            gateway(tmp_path, environment) as running,
            AsyncOpenAI(base_url=f"{running.url}/v3", api_key=KEY, max_retries=0) as client,
        ):
            yield World(client, google)


def answered(message: Any, *texts: str) -> list[Any]:
    """The conversation with the model's calls and what came of each."""
    calls = message.tool_calls
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": text} for call, text in zip(calls, texts, strict=True)
    ]
    return [*ASKED, message.model_dump(exclude_none=True), *results]


@MODELS
async def test_a_function_is_called_and_its_result_told(world: World, model: str) -> None:
    first = await world.ask(model=model, tools=[WEATHER, CLOCK], tool_choice="required")
    (choice,) = first.choices
    assert (choice.finish_reason, choice.message.content, choice.message.refusal) == ("tool_calls", None, None)
    assert choice.model_extra["native_finish_reason"] == "STOP"
    (call,) = choice.message.tool_calls
    assert (call.type, call.function.name) == ("function", "weather")
    assert json.loads(call.function.arguments) == {"city": "Berlin", "data": 0.5}
    assert world.sent["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}
    assert world.sent["tools"][0]["functionDeclarations"][0] == {
        "name": "weather",
        "description": "Looks up the weather.",
        "parametersJsonSchema": CITY,
    }
    second = await world.ask(answered(choice.message, '{"sky": "grey"}'), model, tools=[WEATHER, CLOCK])
    assert second.choices[0].message.content == 'weather said: {"sky": "grey"}'
    assert second.choices[0].finish_reason == "stop"
    assert second.usage.total_tokens == second.usage.prompt_tokens + second.usage.completion_tokens
    assert second.model_extra["cost_status"] == "exact"


@MODELS
@pytest.mark.parametrize("keeps_signatures", [True, False])
async def test_calls_at_once_are_answered_in_any_order(world: World, model: str, keeps_signatures: bool) -> None:
    world.google.next(Calls(3))
    first = await world.ask(model=model, tools=[WEATHER, CLOCK])
    message = first.choices[0].message
    assert [call.function.name for call in message.tool_calls] == ["weather", "clock", "weather"]
    assert len({call.id for call in message.tool_calls}) == 3
    asked, told, *results = answered(message, "rain", '{"hour": 5}', "[1]")
    if not keeps_signatures:
        told["tool_calls"] = [{k: v for k, v in call.items() if k != "extra_content"} for call in told["tool_calls"]]
    second = await world.ask([asked, told, *reversed(results)], model, tools=[WEATHER, CLOCK])
    responses = [part["functionResponse"] for part in world.sent["contents"][-1]["parts"]]
    assert [each["response"] for each in responses] == [{"result": "rain"}, {"hour": 5}, {"result": "[1]"}]
    assert second.choices[0].message.content == 'weather said: {"result": "[1]"}'


async def test_a_signature_goes_out_with_its_call_and_comes_back(world: World) -> None:
    first = await world.ask(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "weather"}})
    (call,) = first.choices[0].message.tool_calls
    signature = call.model_extra["extra_content"]["google"]["thought_signature"]
    assert len(signature) == 1000
    assert world.sent["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == ["weather"]
    await world.ask(answered(first.choices[0].message, "rain"), tools=[WEATHER])
    assert world.sent["contents"][1]["parts"][0]["thoughtSignature"] == signature


async def test_a_signature_that_is_too_much_to_carry_stays_behind(world: World) -> None:
    prompt = [{"role": "user", "content": "[[fault:pad signature_characters=100000]]Berlin"}]
    first = await world.ask(prompt, tools=[WEATHER], tool_choice="required")
    assert first.choices[0].message.tool_calls[0].model_extra == {}
    await world.ask(answered(first.choices[0].message, "rain"), tools=[WEATHER])
    assert world.sent["contents"][1]["parts"][0]["thoughtSignature"] == "skip_thought_signature_validator"


@MODELS
@pytest.mark.parametrize("count", [1, 3])
async def test_calls_are_streamed_one_in_a_chunk(world: World, model: str, count: int) -> None:
    world.google.next(Calls(count))
    async with world.client.chat.completions.stream(
        model=model, messages=ASKED, tools=[WEATHER, CLOCK], stream_options={"include_usage": True}
    ) as stream:
        chunks = [event.chunk async for event in stream if event.type == "chunk"]
        completion = await stream.get_final_completion()
    (choice,) = completion.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    calls = choice.message.tool_calls or []
    assert [call.function.name for call in calls] == ["weather", "clock", "weather"][:count]
    assert json.loads(calls[0].function.arguments) == {"city": "Berlin", "data": 0.5}
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert [[call.index for call in delta.tool_calls] for delta in deltas if delta.tool_calls] == [
        [index] for index in range(count)
    ]
    second = await world.ask(answered(choice.message, *["{}"] * count), model, tools=[WEATHER, CLOCK])
    assert second.choices[0].finish_reason == "stop"


async def test_ids_are_new_in_every_turn(world: World) -> None:
    seen: list[str] = []
    messages = list(ASKED)
    for _ in range(3):
        completion = await world.ask(messages, PLAIN, tools=[CLOCK], tool_choice="required")
        message = completion.choices[0].message
        (call,) = message.tool_calls
        seen.append(call.id)
        messages += answered(message, "five")[1:]
    assert len(set(seen)) == 3
    assert all(len(each) <= 40 for each in seen)


async def test_a_model_may_answer_in_words_all_the_same(world: World) -> None:
    for choice in ("auto", "none"):
        completion = await world.ask(tools=[WEATHER], tool_choice=choice, parallel_tool_calls=True)
        assert completion.choices[0].message.content == "You said: Berlin"
        assert completion.choices[0].message.tool_calls is None
        assert world.sent["toolConfig"]["functionCallingConfig"]["mode"] == choice.upper()


class Place(BaseModel):
    name: str
    floors: int
    tags: list[str]


@MODELS
async def test_an_answer_by_a_schema(world: World, model: str) -> None:
    completion = await world.client.chat.completions.parse(model=model, messages=ASKED, response_format=Place)
    assert completion.choices[0].message.parsed == Place(name="You said: Berlin", floors=7, tags=["You said: Berlin"])
    config = world.sent["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"]["properties"].keys() == {"name", "floors", "tags"}


async def test_a_schema_passes_untouched_with_its_description(world: World) -> None:
    schema = {"type": "object", "properties": {"b": {"type": "number", "maximum": 1.5}, "a": {"$ref": "#"}}}
    told = {"name": "reply", "schema": schema, "description": "A reply.", "strict": False}
    await world.ask(response_format={"type": "json_schema", "json_schema": told})
    assert world.sent["generationConfig"]["responseJsonSchema"] == {"description": "A reply."} | schema
    assert [*world.sent["generationConfig"]["responseJsonSchema"]["properties"]] == ["b", "a"]


async def test_an_answer_in_any_json(world: World) -> None:
    completion = await world.ask(response_format={"type": "json_object"})
    assert json.loads(completion.choices[0].message.content) == {"answer": "You said: Berlin"}
    assert world.sent["generationConfig"] == {"responseMimeType": "application/json"}


async def test_what_google_refuses_is_told_in_its_words(world: World) -> None:
    with pytest.raises(openai.BadRequestError, match="mime type: 'application/json' is unsupported") as raised:
        await world.ask(model=PLAIN, tools=[WEATHER], response_format={"type": "json_object"})
    assert raised.value.code == "provider_rejected"
    await world.ask(tools=[WEATHER], response_format={"type": "json_object"})


async def test_a_call_that_came_to_nothing_is_the_providers_fault(world: World) -> None:
    world.google.next([Words(""), UnknownFinish("MALFORMED_FUNCTION_CALL")])
    with pytest.raises(openai.InternalServerError) as raised:
        await world.ask(tools=[WEATHER])
    assert raised.value.code == "provider_wrong"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": "google/gemini-3.1-flash-image", "tools": [WEATHER]}, "tools"),
        ({"model": "google/gemini-3.1-flash-image", "response_format": {"type": "json_object"}}, "response_format"),
        ({"model": "local/painter", "tools": [WEATHER]}, "tools"),
        ({"tools": [WEATHER], "parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"functions": [{"name": "weather"}]}, "functions"),
        ({"function_call": {"name": "weather"}}, "function_call"),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_name(world: World, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        await world.ask(**fields)
    assert raised.value.param == param
    assert world.google.calls == ()
