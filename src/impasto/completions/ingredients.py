"""What pictures are made of, as it is kept beside them: words, and other pictures.

Rule: the words are the last user's, cut to a length that a row takes; a picture is named by its id or its hash.
"""

from dataclasses import dataclass

from impasto.completions.inline import Inlined
from impasto.domain.chat import ChatRequest, ImageLink, TextPart
from impasto.domain.ledger import Making, Parent
from impasto.domain.retention import Keeps

MOST_CHARACTERS = 8192
"""Of a prompt that are kept."""


@dataclass(frozen=True, slots=True)
class Ingredients:
    """Of one request: `prompt` is empty where no words are kept; a picture by link is known once it is fetched."""

    prompt: str
    characters: int
    parents: tuple[Parent | ImageLink, ...]

    @classmethod
    def of(cls, request: ChatRequest, parents: tuple[Parent | ImageLink, ...], keeps: Keeps) -> "Ingredients | None":
        if keeps is Keeps.NONE:
            return None
        prompt = prompt_of(request).replace("\0", "") if keeps is Keeps.ALL else ""  # which PostgreSQL does not take
        return cls(prompt[:MOST_CHARACTERS], len(prompt), parents)

    def making(self, inputs: Inlined) -> Making:
        """With what the links led to."""
        parents = (inputs.fetched[each.url] if isinstance(each, ImageLink) else each for each in self.parents)
        return Making(self.prompt, self.characters, tuple(dict.fromkeys(parents)))


def prompt_of(request: ChatRequest) -> str:
    """The words of the last user message."""
    users = (message for message in reversed(request.messages) if message.role == "user")
    last = next(users, None)
    texts = (part.text for part in last.parts if isinstance(part, TextPart)) if last else ()
    return "\n".join(text for text in texts if text).strip()
