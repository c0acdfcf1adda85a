"""Would Google take this request? The checks that come after the fields are known to be fields.

Rule: at least as strict as Google. What it is not known to take is refused here, with its own sentence
where one is known.
https://ai.google.dev/api/generate-content https://ai.google.dev/gemini-api/docs/image-generation
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from impasto.domain.image import media_type_of
from impasto.simulator.errors import Rejected, bad_fields
from impasto.simulator.functions import check_functions, check_turns, functions_of, signed_call
from impasto.simulator.models import SimulatedModel
from impasto.simulator.signatures import is_signature_of
from impasto.simulator.wire_schema import PART_DATA, decoded, parse_request, snake_case

MAX_REQUEST_BYTES = 104_857_600
IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"})
_HEAD_CHARACTERS = 128
_RANGES = {
    "temperature": (0.0, 2.0),
    "topP": (0.0, 1.0),
    "presencePenalty": (-2.0, 2.0),
    "frequencyPenalty": (-2.0, 2.0),
}
_MOST_STOP_SEQUENCES = 5
_ANSWER_TYPES = ("text/plain", "application/json", "text/x.enum")
UNSIGNED = "skip_thought_signature_validator"
_SIGNATURES_PAGE = "https://ai.google.dev/gemini-api/docs/thought-signatures#model-behavior"

Request = dict[str, Any]


def read_request(body: bytes) -> tuple[Request, Request]:
    """The request as it was sent, and with its names in camel case. Raises `Rejected`."""
    if len(body) > MAX_REQUEST_BYTES:
        raise Rejected(400, f"Request payload size exceeds the limit: {MAX_REQUEST_BYTES} bytes.")
    try:
        sent = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_fields([("", f"Invalid JSON payload received. {error}")]) from error
    parsed = parse_request(sent)
    return sent, parsed


def check_request(model: SimulatedModel, request: Request) -> None:
    """Raises `Rejected` where the model would not take the request."""
    for check in _CHECKS:
        check(model, request)


def config_of(request: Request) -> dict[str, Any]:
    config: dict[str, Any] = request.get("generationConfig", {})
    return config


def parts_of(request: Request) -> Iterator[tuple[int, int, str, dict[str, Any]]]:
    """Every part of the conversation: its turn and its place there (from 0), the turn's role, the part."""
    for turn, content in enumerate(request.get("contents", ())):
        for place, part in enumerate(content.get("parts", ())):
            yield turn, place, content.get("role", "user"), part


def _check_contents(_model: SimulatedModel, request: Request) -> None:
    contents = request.get("contents")
    if not contents:
        raise Rejected(400, "* GenerateContentRequest.contents: contents is not specified\n")
    for index, content in enumerate(contents):
        if content.get("role", "user") not in {"user", "model"}:
            raise Rejected(400, "Please use a valid role: user, model.")
        if not content.get("parts"):
            where = f"GenerateContentRequest.contents[{index}].parts"
            raise Rejected(400, f"* {where}: contents.parts must not be empty.\n")


def _check_parts(_model: SimulatedModel, request: Request) -> None:
    for turn, place, _, part in parts_of(request):
        if not part.keys() & PART_DATA.keys():
            where = f"GenerateContentRequest.contents[{turn}].parts[{place}].data"
            raise Rejected(400, f"* {where}: required oneof field 'data' must have one initialized field\n")
        if "fileData" in part:
            uri = part["fileData"].get("fileUri", "")
            raise Rejected(403, f"You do not have permission to access the File {uri} or it may not exist.")


def _check_pictures(_model: SimulatedModel, request: Request) -> None:
    for _, _, _, part in parts_of(request):
        if "inlineData" not in part:
            continue
        media_type = part["inlineData"].get("mimeType", "")
        if media_type not in IMAGE_TYPES:
            raise Rejected(400, f"Unsupported MIME type: {media_type}")
        head = decoded(part["inlineData"].get("data", "")[:_HEAD_CHARACTERS]) or b""
        if media_type_of(head) not in IMAGE_TYPES:
            raise Rejected(400, "Unable to process input image. Please retry or report in "
                           "https://developers.generativeai.google/guide/troubleshooting")  # fmt: skip


def _check_numbers(model: SimulatedModel, request: Request) -> None:
    config = config_of(request)
    for name, (least, most) in _RANGES.items():
        if name in config and not least <= config[name] <= most:
            where = f"GenerateContentRequest.generation_config.{snake_case(name)}"
            raise Rejected(400, f"* {where}: {snake_case(name)} must be in the range [{least}, {most}].\n")
    if config.get("candidateCount", 1) != 1:
        raise Rejected(400, "Multiple candidates is not enabled for this model")
    most_tokens = config.get("maxOutputTokens", 1)
    if not 0 < most_tokens <= model.max_output_tokens:
        raise Rejected(
            400,
            f"Unable to submit request because it has a maxOutputTokens value of {most_tokens} but the supported range "
            f"is from 1 (inclusive) to {model.max_output_tokens + 1} (exclusive). Update the value and try again.",
        )
    if len(config.get("stopSequences", ())) > _MOST_STOP_SEQUENCES:
        raise Rejected(400, f"The number of stop sequences must not exceed {_MOST_STOP_SEQUENCES}.")


def _check_modalities(model: SimulatedModel, request: Request) -> None:
    asked = config_of(request).get("responseModalities") or (["IMAGE"] if model.makes_images else ["TEXT"])
    if not model.makes_images and "IMAGE" in asked:
        raise Rejected(400, "This model only supports text output.")
    # A picture model that is asked for words alone is not known to answer.
    legal = {"TEXT", "IMAGE"} if model.makes_images else {"TEXT"}
    if not legal.issuperset(asked) or (model.makes_images and "IMAGE" not in asked):
        names = ",".join(modality.lower() for modality in asked)
        raise Rejected(400, f"Model does not support the requested response modalities: {names}")


def _check_image_config(model: SimulatedModel, request: Request) -> None:
    image_config = config_of(request).get("imageConfig")
    if not image_config:
        return
    if not model.makes_images:
        raise Rejected(400, "Aspect ratio is not enabled for this model")
    for name, legal in (("aspectRatio", model.dimensions_1k), ("imageSize", model.image_tokens)):
        value = image_config.get(name)
        if value is not None and value not in legal:
            where = f"GenerateContentRequest.generation_config.image_config.{snake_case(name)}"
            choices = ", ".join(legal)
            raise Rejected(400, f'* {where}: "{value}" is not supported by this model; it must be one of {choices}.\n')


def _check_thinking(model: SimulatedModel, request: Request) -> None:
    thinking = config_of(request).get("thinkingConfig")
    if not thinking:
        return
    if not model.thinks:
        raise Rejected(400, "Thinking is not enabled for this model")
    level = thinking.get("thinkingLevel")
    if level is None:
        return
    if "thinkingBudget" in thinking:
        raise Rejected(400, "You can only set only one of thinking budget and thinking level.")
    if not model.thought_tokens:
        raise Rejected(400, "Thinking level is not supported for this model.")
    if level.lower() not in model.thought_tokens:
        raise Rejected(400, f"Thinking level {level} is not supported for this model. "
                       "Please retry with other thinking level.")  # fmt: skip


def _check_tools(model: SimulatedModel, request: Request) -> None:
    for tool in request.get("tools", ()):
        if "googleSearch" in tool and not model.searches:
            raise Rejected(400, "Search as tool is not enabled for this model")
        if "functionDeclarations" in tool and model.makes_images:
            raise Rejected(400, "Function calling is not enabled for this model")
    check_functions(request)
    check_turns(request)


def _check_format(model: SimulatedModel, request: Request) -> None:
    config = config_of(request)
    media_type = config.get("responseMimeType", "text/plain")
    if media_type not in _ANSWER_TYPES:
        where = "GenerateContentRequest.generation_config.response_mime_type"
        raise Rejected(400, f"* {where}: allowed mimetypes are {', '.join(_ANSWER_TYPES)}.\n")
    if media_type == "text/plain" and config.keys() & {"responseSchema", "responseJsonSchema"}:
        where = "GenerateContentRequest.generation_config.response_schema"
        raise Rejected(400, f"* {where}: only allowed when response_mime_type is `application/json`.\n")
    if media_type != "text/plain" and model.makes_images:
        raise Rejected(400, "JSON mode is not enabled for this model")
    # Those of Gemini 3 can do both at once.
    if media_type == "application/json" and functions_of(request) and not model.signs_calls:
        raise Rejected(400, f"Function calling with a response mime type: '{media_type}' is unsupported")


def _check_signatures(model: SimulatedModel, request: Request) -> None:
    """Every picture that the model made, and its first words, must come back as they were signed."""
    if model.signs_calls:
        _check_signed_calls(request)
    if not model.signs:
        return
    turns_with_words: set[int] = set()
    for turn, place, role, part in parts_of(request):
        if role != "model" or part.get("thought"):
            continue
        if "inlineData" in part:
            _check_signature("Image", part["inlineData"].get("data", ""), part, turn, place)
        elif "text" in part and turn not in turns_with_words:
            turns_with_words.add(turn)
            _check_signature("Text", part["text"], part, turn, place)


def _check_signed_calls(request: Request) -> None:
    """The first call of a turn must come back signed, or with Google's word for one that never was."""
    turns_with_calls: set[int] = set()
    for turn, _, _, part in parts_of(request):
        if "functionCall" not in part:
            continue
        call, signature = part["functionCall"], part.get("thoughtSignature")
        if not signature and turn not in turns_with_calls:
            raise Rejected(
                400,
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                "work correctly, and missing thought_signature may lead to degraded model performance. Additional "
                f"data, function call `default_api:{call.get('name')}` , position {turn + 1}. Please refer to "
                "https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
            )
        turns_with_calls.add(turn)
        if signature and signature != UNSIGNED and not is_signature_of(signature, signed_call(call)):
            raise Rejected(400, "Corrupted thought signature.")


def _check_signature(kind: str, content: str, part: dict[str, Any], turn: int, place: int) -> None:
    signature = part.get("thoughtSignature")
    if not signature:
        raise Rejected(
            400,
            f"{kind} part is missing a thought_signature in content position {turn + 1}, part position {place + 1}. "
            f"Please refer to {_SIGNATURES_PAGE} for more details.",
        )
    if not is_signature_of(signature, content):
        raise Rejected(400, "Corrupted thought signature.")


_CHECKS: tuple[Callable[[SimulatedModel, Request], None], ...] = (
    _check_contents,
    _check_parts,
    _check_pictures,
    _check_numbers,
    _check_modalities,
    _check_image_config,
    _check_thinking,
    _check_tools,
    _check_format,
    _check_signatures,
)
