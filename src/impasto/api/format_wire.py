"""`response_format`: an answer that is one JSON value.

Rule: a schema is checked to be a JSON object and passes as it is. `name` is the caller's own, and `strict`
changes nothing: a model that is given a schema keeps to it.
"""

import msgspec
from msgspec import Raw, Struct

from impasto.api.json_errors import wrong_shape
from impasto.api.tool_wire import check_json
from impasto.domain.errors import Code, Failure
from impasto.domain.tools import ResponseFormat


class _SchemaBody(Struct, forbid_unknown_fields=True):
    name: str
    schema: dict[str, Raw] | None = None
    description: str | None = None
    strict: bool | None = None


class _FormatBody(Struct):
    type: str
    json_schema: _SchemaBody | None = None


_format = msgspec.json.Decoder(_FormatBody | None)


def parse_response_format(raw: Raw) -> ResponseFormat | None:
    """`None` for words. Raises 400, 413 or 422, naming the field."""
    check_json(raw, "response_format")
    try:
        body = _format.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_shape(error, "response_format") from None
    match body:
        case None | _FormatBody("text"):
            return None
        case _FormatBody("json_object"):
            return ResponseFormat()
        case _FormatBody("json_schema", _SchemaBody(schema=schema) as told) if schema is not None:
            return ResponseFormat(_schema(schema, told.description))
        case _FormatBody("json_schema", told):
            missing = "response_format.json_schema" + ("" if told is None else ".schema")
            raise Failure(Code.INVALID_BODY, f"{missing} is missing.", param=missing)
    raise Failure(
        Code.INVALID_VALUE,
        f'response_format.type "{body.type[:40]}" is not possible. It takes text, json_object and json_schema.',
        param="response_format.type",
    )


def _schema(schema: dict[str, Raw], description: str | None) -> bytes:
    """The schema, described as its caller does where it does not describe itself."""
    described: dict[str, object] = {"description": description} if description else {}
    return msgspec.json.encode(described | schema)
