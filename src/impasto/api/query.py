"""Numbers in a query string."""

from starlette.datastructures import QueryParams

from impasto.domain.errors import Code, Failure


def number_of(said: QueryParams, name: str, least: int, most: int, default: int) -> int:
    """The number that `name` is given as. Raises 400 naming what it takes."""
    text = said.get(name)
    if text is None:
        return default
    number = int(text[:20]) if text.isascii() and text.isdecimal() else -1
    if not least <= number <= most:
        raise Failure(
            Code.INVALID_VALUE, f'{name} "{text[:20]}" is not possible. It takes a number from {least} to {most}.',
            param=name,
        )  # fmt: skip
    return number
