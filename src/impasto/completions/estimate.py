"""The most a call can cost, before it is made.

Rule: an upper bound or nothing; a guess that may be too low is worse than none.
"""

from decimal import Decimal

from impasto.completions.settle import tokens_per_picture
from impasto.domain.chat import ChatRequest, TextPart
from impasto.domain.image import ImageConfig
from impasto.domain.model import Model
from impasto.domain.pricing import cost_of
from impasto.domain.usage import Usage

MOST_TOKENS_PER_INPUT_IMAGE = 1120
"""Vertex AI's page on Gemini 3.1 Flash Image; other models of the family take less per picture."""


def most_it_can_cost(model: Model, request: ChatRequest, sent: ImageConfig) -> Decimal | None:
    """US dollars that one call can come to at most; `None` where a price or a bound is unknown.

    No tokenizer makes more tokens than there are bytes. A picture call is bounded by the pictures
    it can bring and the catalogue's allowance for words and thoughts; a text call by `max_tokens`
    or the model's own output limit.
    """
    texts = [part.text for message in request.messages for part in message.parts if isinstance(part, TextPart)]
    picture_count = sum(len(message.parts) for message in request.messages) - len(texts)
    if model.images is None:
        output_text = request.sampling.max_tokens or model.max_output_tokens
        if output_text is None:
            return None
        output_image = 0
    else:
        output_text = model.images.reserve_other_tokens
        output_image = tokens_per_picture(model, sent) * model.images.max_images_per_call
    usage = Usage(
        input_text_tokens=sum(len(text.encode()) for text in texts),
        input_image_tokens=picture_count * MOST_TOKENS_PER_INPUT_IMAGE,
        output_text_tokens=output_text,
        output_image_tokens=output_image,
    )
    return cost_of(usage, model.price)
