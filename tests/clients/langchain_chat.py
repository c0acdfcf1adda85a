"""LangChain's ChatOpenAI."""

from importlib.metadata import version
from typing import Any

from langchain_core.messages import HumanMessage  # type: ignore[import-not-found,unused-ignore]
from langchain_openai import ChatOpenAI  # type: ignore[import-not-found,unused-ignore]

from tests.clients.reading import Asked, Places, Read, tell


def whole(asked: Asked) -> Read:
    result = _model(asked).generate([[HumanMessage(asked.prompt)]])
    choices: list[Places] = [_places(generation.message) for generation in result.generations[0]]
    return Read(choices, result.llm_output["token_usage"].get("cost"))


def streamed(asked: Asked) -> Read:
    answer: Any = None
    for chunk in _model(asked).stream(asked.messages):
        answer = chunk if answer is None else answer + chunk
    return Read([_places(answer)])


def _model(asked: Asked) -> Any:
    return ChatOpenAI(model=asked.model, base_url=asked.base_url, api_key=asked.key, n=asked.n, extra_body=asked.fields)


def _places(message: Any) -> Places:
    return {"additional_kwargs": message.additional_kwargs, "content": message.content}


if __name__ == "__main__":
    tell("LangChain's ChatOpenAI", version("langchain-openai"), {"whole": whole, "streamed": streamed})
