"""OpenAI's client for Python: answers, chunks, and the helper that folds chunks to an answer."""

from typing import Any

import openai

from tests.clients.reading import Asked, Places, Read, tell


def whole(asked: Asked) -> Read:
    with _client(asked) as client:
        completion = client.chat.completions.create(**_body(asked))
    return _read(completion)


def streamed(asked: Asked) -> Read:
    found: list[dict[str, Any]] = [{"images": [], "content": ""} for _ in range(asked.n)]
    cost = None
    with _client(asked) as client:
        for chunk in client.chat.completions.create(**_body(asked), stream=True):
            for choice in chunk.choices:
                places = found[choice.index]
                places["images"] += getattr(choice.delta, "images", ())
                places["content"] += choice.delta.content or ""
            cost = getattr(chunk, "cost", cost)
    return Read(found, cost)


def folded(asked: Asked) -> Read:
    with _client(asked) as client, client.chat.completions.stream(**_body(asked)) as stream:
        return _read(stream.get_final_completion())


def _client(asked: Asked) -> openai.OpenAI:
    return openai.OpenAI(base_url=asked.base_url, api_key=asked.key)


def _body(asked: Asked) -> dict[str, Any]:
    return {"model": asked.model, "messages": asked.messages, "n": asked.n, "extra_body": asked.fields}


def _read(completion: Any) -> Read:
    choices: list[Places] = [
        {"images": getattr(choice.message, "images", []), "content": choice.message.content}
        for choice in completion.choices
    ]
    return Read(choices, getattr(completion, "cost", getattr(completion.usage, "cost", None)))


if __name__ == "__main__":
    tell("openai for Python", openai.__version__, {"whole": whole, "streamed": streamed})
    tell("openai for Python, `.stream()`", openai.__version__, {"streamed": folded})
