"""How many tokens a completion took, by kind.

Rule: every token is counted in exactly one of the five kinds, so that sums and
prices need no exceptions.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one completion.

    `cached_tokens` is the part of the input that the provider read from its cache (counted
    in the input kinds as well). `output_text_tokens` holds words and whatever else the
    provider bills at the price of text. `estimated` marks counts that the provider did not
    send and that were derived from the catalogue.
    """

    input_text_tokens: int = 0
    input_image_tokens: int = 0
    output_text_tokens: int = 0
    output_image_tokens: int = 0
    thought_tokens: int = 0
    cached_tokens: int = 0
    estimated: bool = False

    @property
    def prompt_tokens(self) -> int:
        return self.input_text_tokens + self.input_image_tokens

    @property
    def completion_tokens(self) -> int:
        return self.output_text_tokens + self.output_image_tokens + self.thought_tokens

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "Usage") -> "Usage":
        """Both together; estimated if either is."""
        return Usage(
            self.input_text_tokens + other.input_text_tokens,
            self.input_image_tokens + other.input_image_tokens,
            self.output_text_tokens + other.output_text_tokens,
            self.output_image_tokens + other.output_image_tokens,
            self.thought_tokens + other.thought_tokens,
            self.cached_tokens + other.cached_tokens,
            self.estimated or other.estimated,
        )

    def with_image_tokens(self, image_tokens: int) -> "Usage":
        """The same usage with `image_tokens` of its output known to be pictures, marked as estimated.

        Providers sometimes leave the kinds out. Pictures priced as text come out ten times too
        cheap, so what was counted as text is counted as picture first, and never less than
        the catalogue says a picture takes.
        """
        rest = max(0, self.output_text_tokens - image_tokens)
        return replace(self, output_image_tokens=image_tokens, output_text_tokens=rest, estimated=True)
