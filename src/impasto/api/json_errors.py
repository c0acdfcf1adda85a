"""What is wrong with a JSON body, told to whoever sent it.

Rule: callers know their fields and JSON's words for types; nothing here shows a value.
"""

import re

import msgspec

from impasto.domain.errors import Code, Failure

_JSON_WORDS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "decimal": "number"}
_PYTHON_WORD = re.compile(rf"\b({'|'.join(_JSON_WORDS)})\b")
_QUOTED = re.compile(r"`([^`]*)`")


def not_json(error: Exception) -> Failure:
    """400 for bytes that are no JSON in UTF-8."""
    match error:
        case UnicodeDecodeError():
            why = "it holds bytes that are not UTF-8"
        case RecursionError():
            why = "it is nested too deeply"
        case _:
            why = str(error)
    return Failure(Code.INVALID_JSON, f"The body is not valid JSON: {why}.")


def wrong_shape(error: msgspec.ValidationError, within: str = "", advice: str = "") -> Failure:
    """422 that names the field. msgspec says "Expected `str`, got `int` - at `$.role`" of what lies at `within`."""
    what, _, place = str(error).partition(" - at ")
    where = (within + place.strip("`").removeprefix("$")).removeprefix(".")
    message = f"{where or 'The body'}: {_QUOTED.sub(_in_json, what)}.{advice}"
    return Failure(Code.INVALID_BODY, message, param=where or None)


def _in_json(quoted: re.Match[str]) -> str:
    return _PYTHON_WORD.sub(lambda word: _JSON_WORDS[word[1]], quoted[1].replace(" | ", " or "))
