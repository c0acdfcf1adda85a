"""LiteLLM's provider `edenai/`, which is made for the interface that this gateway keeps."""

from importlib.metadata import version
from typing import Any

import litellm  # type: ignore[import-not-found,unused-ignore]

from tests.clients.reading import Asked, Places, Read, tell


def whole(asked: Asked) -> Read:
    completion = litellm.completion(**_arguments(asked))
    choices: list[Places] = [_places(choice.message) for choice in completion.choices]
    return Read(choices, completion._hidden_params.get("response_cost"))


def streamed(asked: Asked) -> Read:
    found: list[dict[str, Any]] = [{"images": [], "content": ""} for _ in range(asked.n)]
    cost = None
    for chunk in litellm.completion(**_arguments(asked), stream=True, stream_options={"include_usage": True}):
        for choice in chunk.choices:
            places = found[choice.index]
            places["images"] += getattr(choice.delta, "images", None) or []
            places["content"] += choice.delta.content or ""
        cost = getattr(getattr(chunk, "usage", None), "cost", None) or cost
    return Read(found, cost)


def folded(asked: Asked) -> Read:
    chunks = list(litellm.completion(**_arguments(asked), stream=True, stream_options={"include_usage": True}))
    completion = litellm.stream_chunk_builder(chunks)
    return Read([_places(choice.message) for choice in completion.choices], getattr(completion.usage, "cost", None))


def _arguments(asked: Asked) -> dict[str, Any]:
    return {
        "model": f"edenai/{asked.model}",
        "api_base": asked.base_url,
        "api_key": asked.key,
        "messages": asked.messages,
        "extra_body": asked.fields,
    } | ({"n": asked.n} if asked.n > 1 else {})


def _places(message: Any) -> Places:
    images = getattr(message, "images", None) or []
    return {"images": images, "content": message.content}


if __name__ == "__main__":
    tell("LiteLLM, `edenai/`", version("litellm"), {"whole": whole, "streamed": streamed})
    tell("LiteLLM, `stream_chunk_builder`", version("litellm"), {"streamed": folded})
