"""What is wrong with a JSON body, told to whoever sent it.

Rule: callers know their fields and JSON's words for types; no value is repeated.
"""

import re

import msgspec

from impasto.domain.errors import Code, Failure

_JSON_WORDS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "decimal": "number"}
_PYTHON_WORD = re.compile(rf"\b({'|'.join(_JSON_WORDS)})\b")
_QUOTED = re.compile(r"`([^`]*)`")
_AT = " - at `$"
_CLEARER = {"Invalid decimal string": "Expected a number, such as 0.05"}
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_LONGEST_COMPLAINT = 200
"""A caller's own key may stand in it."""


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
    what, _, place = str(error).rpartition(_AT) if _AT in str(error) else (str(error), "", "")
    where = (within + place.removesuffix("`")).removeprefix(".")
    missing = _MISSING.fullmatch(what)
    if missing:
        where = f"{where}.{missing[1]}".removeprefix(".")
        message = f"{where} is missing."
    else:
        message = f"{where or 'The body'}: {_QUOTED.sub(_in_json, _CLEARER.get(what, what))[:_LONGEST_COMPLAINT]}."
    return Failure(Code.INVALID_BODY, message + advice, param=where or None)


def _in_json(quoted: re.Match[str]) -> str:
    return _PYTHON_WORD.sub(lambda word: _JSON_WORDS[word[1]], quoted[1].replace(" | ", " or "))
