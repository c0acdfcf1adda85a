"""Tags: what callers write on requests, to tell later what was spent on what.

Rule: a tag that cannot be kept is refused by name; nothing is cut or changed.
"""

import re
from collections.abc import Mapping

from impasto.domain.errors import Code, Failure

MAX_TAGS = 10
MAX_NAME_CHARACTERS = 64
MAX_VALUE_CHARACTERS = 128
RESERVED_PREFIXES = ("eden:", "impasto:")

_NAME = re.compile(rf"[a-z0-9_.:/-]{{1,{MAX_NAME_CHARACTERS}}}")
_VALUE = re.compile(rf"[A-Za-z0-9_.:/-]{{1,{MAX_VALUE_CHARACTERS}}}")


def check_tags(tags: Mapping[str, str], where: str) -> None:
    """Refuse with `invalid_value` what cannot be kept; `where` names the field."""
    if len(tags) > MAX_TAGS:
        raise Failure(Code.INVALID_VALUE, f"{where} holds {len(tags)} tags. It takes at most {MAX_TAGS}.", param=where)
    for name, value in tags.items():
        if not _NAME.fullmatch(name):
            raise Failure(
                Code.INVALID_VALUE,
                f'{where}: "{name[:80]}" is no name of a tag. It takes 1 to {MAX_NAME_CHARACTERS} of a-z, 0-9 and '
                "-_.:/.",
                param=where,
            )
        if name.startswith(RESERVED_PREFIXES):
            raise Failure(
                Code.INVALID_VALUE,
                f'{where}: "{name}" begins with {name.partition(":")[0]}:, which is reserved. Name the tag otherwise.',
                param=where,
            )
        if not _VALUE.fullmatch(value):
            raise Failure(
                Code.INVALID_VALUE,
                f'{where}.{name}: "{value[:140]}" is no value of a tag. It takes 1 to {MAX_VALUE_CHARACTERS} letters, '
                "digits and -_.:/.",
                param=f"{where}.{name}",
            )
