"""What a completion came to.

Rule: a picture is never priced as text, and an unknown price is never zero.
"""

from impasto.completions.answer import Bill, CostStatus
from impasto.completions.journal import Journal
from impasto.domain.image import ImageConfig
from impasto.domain.model import Model
from impasto.domain.money import dollars_of, nano_of
from impasto.domain.pricing import cost_of
from impasto.domain.usage import Usage


def bill_for(model: Model, sent: ImageConfig, journal: Journal) -> Bill:
    """The bill for what came from `model`.

    Where the provider left out how many tokens the pictures took, the catalogue's tokens per
    picture stand in, and the bill is marked as estimated. Where neither says it, or no counts
    came at all, the cost is unknown.
    """
    usage = journal.usage
    if journal.pictures_made and not (usage and usage.output_image_tokens):
        per_picture = tokens_per_picture(model, sent)
        if per_picture is None:
            return Bill(usage or Usage(), None, CostStatus.UNKNOWN)
        if per_picture:
            usage = (usage or Usage()).with_image_tokens(per_picture * journal.pictures_made)
    if usage is None:
        return Bill(Usage(), None, CostStatus.UNKNOWN)
    cost = cost_of(usage, model.price)
    if cost is None:
        return Bill(usage, None, CostStatus.UNKNOWN)
    # Rounded here, once, so that what a caller reads is what the ledger holds.
    return Bill(usage, dollars_of(nano_of(cost)), CostStatus.ESTIMATED if usage.estimated else CostStatus.EXACT)


def tokens_per_picture(model: Model, sent: ImageConfig) -> int | None:
    """What one picture of the asked size is billed, in tokens; `None` where the catalogue does not say."""
    if model.images is None:
        return None
    return model.images.tokens_per_image.get(sent.image_size or model.images.default_image_size)
