"""The messages of a request, field by field, and whether a JSON value is one of them.

Rule: what is not in the table is an error, as it is at Google. Names may be written in camel or snake
case; what comes out is camel case. All that is wrong is told at once.
https://ai.google.dev/api/generate-content (`responseFormat`, the newer spelling of `imageConfig`, is left out)
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import pybase64

from impasto.simulator.errors import bad_fields

_PACKAGE = "type.googleapis.com/google.ai.generativelanguage.v1beta."
_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Scalar:
    """A JSON value of one of the given Python types."""

    name: str
    accepts: tuple[type, ...]


@dataclass(frozen=True, slots=True)
class Enum:
    """One of some names, in any case."""

    name: str
    choices: frozenset[str]


@dataclass(frozen=True, slots=True)
class Message:
    """An object with the fields of `MESSAGES[name]`."""

    name: str


@dataclass(frozen=True, slots=True)
class Repeated:
    """A list; as at Google, a single value stands for a list of one."""

    of: "Scalar | Enum | Message"


@dataclass(frozen=True, slots=True)
class Anything:
    """An object that nobody here looks into."""


Spec = Scalar | Enum | Message | Repeated | Anything

TEXT = Scalar("TYPE_STRING", (str,))
WHOLE = Scalar("TYPE_INT32", (int,))
NUMBER = Scalar("TYPE_FLOAT", (int, float))
TRUTH = Scalar("TYPE_BOOL", (bool,))
BYTES = Scalar("TYPE_BYTES", (str,))
STRUCT = Scalar("google.protobuf.Struct", (dict,))
ANYTHING = Anything()

_HARMS = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT", "CIVIC_INTEGRITY")
_THRESHOLDS = ("BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF")

PART_DATA: Mapping[str, Spec] = {
    "text": TEXT,
    "inlineData": Message("Blob"),
    "fileData": Message("FileData"),
    "functionCall": Message("FunctionCall"),
    "functionResponse": Message("FunctionResponse"),
    "executableCode": ANYTHING,
    "codeExecutionResult": ANYTHING,
}
"""What a part can hold: exactly one of these."""

MESSAGES: Mapping[str, Mapping[str, Spec]] = {
    "GenerateContentRequest": {
        "model": TEXT,
        "contents": Repeated(Message("Content")),
        "systemInstruction": Message("Content"),
        "generationConfig": Message("GenerationConfig"),
        "safetySettings": Repeated(Message("SafetySetting")),
        "tools": Repeated(Message("Tool")),
        "toolConfig": Message("ToolConfig"),
        "cachedContent": TEXT,
        "serviceTier": Enum("ServiceTier", frozenset({"STANDARD", "FLEX", "PRIORITY"})),
        "store": TRUTH,
    },
    "Content": {"role": TEXT, "parts": Repeated(Message("Part"))},
    "Part": {**PART_DATA, "thought": TRUTH, "thoughtSignature": BYTES, "videoMetadata": ANYTHING},
    "Blob": {"mimeType": TEXT, "data": BYTES},
    "FileData": {"mimeType": TEXT, "fileUri": TEXT},
    "FunctionCall": {"id": TEXT, "name": TEXT, "args": STRUCT},
    "FunctionResponse": {
        "id": TEXT,
        "name": TEXT,
        "response": STRUCT,
        "parts": ANYTHING,
        "willContinue": TRUTH,
        "scheduling": Enum("FunctionResponse.Scheduling", frozenset({"SILENT", "WHEN_IDLE", "INTERRUPT"})),
    },
    "GenerationConfig": {
        "candidateCount": WHOLE,
        "stopSequences": Repeated(TEXT),
        "maxOutputTokens": WHOLE,
        "temperature": NUMBER,
        "topP": NUMBER,
        "topK": WHOLE,
        "seed": WHOLE,
        "presencePenalty": NUMBER,
        "frequencyPenalty": NUMBER,
        "responseLogprobs": TRUTH,
        "logprobs": WHOLE,
        "responseMimeType": TEXT,
        "responseSchema": ANYTHING,
        "responseJsonSchema": ANYTHING,
        "responseModalities": Repeated(Enum("GenerationConfig.Modality", frozenset({"TEXT", "IMAGE", "AUDIO"}))),
        "speechConfig": ANYTHING,
        "thinkingConfig": Message("ThinkingConfig"),
        "imageConfig": Message("ImageConfig"),
    },
    "ThinkingConfig": {
        "includeThoughts": TRUTH,
        "thinkingBudget": WHOLE,
        "thinkingLevel": Enum("ThinkingConfig.ThinkingLevel", frozenset({"MINIMAL", "LOW", "MEDIUM", "HIGH"})),
    },
    "ImageConfig": {"aspectRatio": TEXT, "imageSize": TEXT},
    "SafetySetting": {
        "category": Enum("HarmCategory", frozenset(f"HARM_CATEGORY_{harm}" for harm in _HARMS)),
        "threshold": Enum("SafetySetting.HarmBlockThreshold", frozenset(_THRESHOLDS)),
    },
    "Tool": {
        "functionDeclarations": Repeated(Message("FunctionDeclaration")),
        "googleSearch": Message("GoogleSearch"),
        "codeExecution": ANYTHING,
        "urlContext": ANYTHING,
    },
    "FunctionDeclaration": {
        "name": TEXT,
        "description": TEXT,
        "parameters": STRUCT,
        "parametersJsonSchema": ANYTHING,
        "response": STRUCT,
        "responseJsonSchema": ANYTHING,
        "behavior": Enum("FunctionDeclaration.Behavior", frozenset({"BLOCKING", "NON_BLOCKING"})),
    },
    "ToolConfig": {
        "functionCallingConfig": Message("FunctionCallingConfig"),
        "retrievalConfig": ANYTHING,
        "includeServerSideToolInvocations": TRUTH,
    },
    "FunctionCallingConfig": {
        "mode": Enum("FunctionCallingConfig.Mode", frozenset({"AUTO", "ANY", "NONE", "VALIDATED"})),
        "allowedFunctionNames": Repeated(TEXT),
    },
    "GoogleSearch": {"timeRangeFilter": ANYTHING, "searchTypes": Message("SearchTypes")},
    "SearchTypes": {"webSearch": ANYTHING, "imageSearch": ANYTHING},
}

Problem = tuple[str, str]
"""Where, and the sentence about it."""


def parse_request(value: object) -> dict[str, Any]:
    """The request with its names in camel case; raises `Rejected` with everything that is wrong."""
    problems: list[Problem] = []
    parsed = _Reader(problems).message("GenerateContentRequest", value, "")
    if problems:
        raise bad_fields(problems)
    return parsed


def decoded(base64: str) -> bytes | None:
    """The bytes of base64 in either alphabet, padded or not; `None` where it is neither."""
    try:
        standard = base64.encode("ascii").translate(_TO_STANDARD).rstrip(b"=")
        return pybase64.b64decode(standard + b"=" * (-len(standard) % 4), validate=True)
    except ValueError:
        return None


def snake_case(name: str) -> str:
    return re.sub(r"(?<=.)(?=[A-Z])", "_", name).lower()


_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_CAMEL_CASE = {
    spelling: name for fields in MESSAGES.values() for name in fields for spelling in (name, snake_case(name))
}


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


@dataclass(frozen=True, slots=True)
class _Reader:
    problems: list[Problem]

    def message(self, type_name: str, value: object, place: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._wrong(place, _PACKAGE + type_name, value)
            return {}
        return dict(self._fields(type_name, value, place))

    def _fields(self, type_name: str, value: Mapping[str, object], place: str) -> Iterator[tuple[str, Any]]:
        for written, field_value in value.items():
            name = _CAMEL_CASE.get(written, "")
            spec = MESSAGES[type_name].get(name)
            if spec is None:
                self._unknown(place, written, "Cannot find field.")
            elif isinstance(field_value, list) and not isinstance(spec, Repeated | Anything):
                self._unknown(place, written, "Proto field is not repeating, cannot start list.")
            elif field_value is not None:
                yield name, self._value(spec, field_value, _joined(place, snake_case(name)))
        if type_name == "Part":
            self._one_of(value, place)

    def _value(self, spec: Spec, value: object, place: str) -> Any:
        match spec:
            case Anything():
                return value
            case Message(name):
                return self.message(name, value, place)
            case Repeated(of):
                values: Sequence[object] = value if isinstance(value, list) else [value]
                return [self._value(of, each, f"{place}[{index}]") for index, each in enumerate(values)]
            case Scalar():
                return self._scalar(spec, value, place)
            case Enum(name, choices):
                if not isinstance(value, str) or value.upper() not in choices:
                    return self._wrong(place, _PACKAGE + name, value)
                return value.upper()
        assert_never(spec)

    def _scalar(self, spec: Scalar, value: object, place: str) -> Any:
        is_of_type = isinstance(value, spec.accepts) and (bool in spec.accepts or not isinstance(value, bool))
        if not is_of_type:
            return self._wrong(place, spec.name, value)
        if spec is BYTES and isinstance(value, str) and decoded(value) is None:
            text = f"Invalid value at '{place}' ({spec.name}), Base64 decoding failed for {_shown(value)}"
            self.problems.append((place, text))
        return value

    def _one_of(self, value: Mapping[str, object], place: str) -> None:
        held = [written for written in value if _CAMEL_CASE.get(written) in PART_DATA and value[written] is not None]
        for written in held[1:]:
            text = f"Invalid value at '{place}' (oneof), oneof field 'data' is already set. Cannot set '{written}'"
            self.problems.append((place, text))

    def _wrong(self, place: str, type_name: str, value: object) -> None:
        self.problems.append((place, f"Invalid value at '{place}' ({type_name}), {_shown(value)}"))

    def _unknown(self, place: str, name: str, why: str) -> None:
        where = f" at '{place}'" if place else ""
        self.problems.append((place, f'Invalid JSON payload received. Unknown name "{name}"{where}: {why}'))
