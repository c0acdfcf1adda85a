"""May this model do this request?

Rule: what a model cannot do is refused before anything is sent, and the refusal names
the field, the value, the model and the values it takes. Nothing is dropped in silence.
"""

from collections.abc import Iterable

from impasto.domain.chat import ChatRequest, Handle, ImageLink, ImagePart, KeptImage, Message, Sampling, Turn
from impasto.domain.errors import Code, Failure, listed
from impasto.domain.image import ImageConfig
from impasto.domain.model import Modality, Model
from impasto.domain.tools import ToolCall, ToolResult

Picture = ImagePart | ImageLink | KeptImage | Handle

MOST_PICTURES = 100
"""In a request: each is opened, and some are fetched, before anything is sent."""


def check_request(model: Model, request: ChatRequest) -> None:
    """Refuse with `invalid_value` or `unsupported` what `model` cannot do of `request`."""
    _check_image_config(model, request.image_config)
    _check_modalities(model, request.modalities)
    _check_sampling(model, request.sampling)
    _check_structure(model, request)
    _check_instructions(request.messages)
    _check_picture_count(model, request.messages)
    check_pictures(model, request.messages)


def image_config_to_send(model: Model, asked: ImageConfig) -> ImageConfig:
    """What goes to the provider of what was asked: all of it, but for a size that its wire has no field for."""
    if model.images is None or model.images.sends_image_size:
        return asked
    return ImageConfig(asked.aspect_ratio, None)


def check_pictures(model: Model, messages: Iterable[Message | Turn]) -> None:
    """Refuse a picture at hand whose type `model` does not take."""
    types = model.input_media_types
    for picture in (part for message in messages for part in message.parts if isinstance(part, ImagePart | KeptImage)):
        if types and picture.media_type not in types:
            raise Failure(
                Code.UNSUPPORTED_MEDIA_TYPE,
                f"{picture.where} is {picture.media_type}. {model.id} takes {listed(types)}.",
                param=picture.where,
            )


def _check_instructions(messages: Iterable[Message]) -> None:
    for message in messages:
        for part in message.parts:
            if message.role == "system" and isinstance(part, Picture):
                raise Failure(
                    Code.UNSUPPORTED,
                    f"{part.where} is a picture in a system message, which takes words only. Put it in a user message.",
                    param=part.where,
                )


def _check_image_config(model: Model, config: ImageConfig) -> None:
    if model.images is None:
        if config != ImageConfig():
            raise Failure(
                Code.UNSUPPORTED,
                f"image_config was given, but {model.id} makes no pictures. Leave image_config out, "
                "or choose a model whose output has image in GET /v3/models.",
                param="image_config",
            )
        return
    for field, value, choices in (
        ("image_config.aspect_ratio", config.aspect_ratio, model.images.aspect_ratios),
        ("image_config.image_size", config.image_size, model.images.image_sizes),
    ):
        if value is not None and value not in choices:
            raise Failure(
                Code.INVALID_VALUE,
                f'{field} "{value[:40]}" is not possible with {model.id}. It takes {listed(choices)}.',
                param=field,
            )


def _check_modalities(model: Model, modalities: tuple[Modality, ...]) -> None:
    if not modalities:
        return
    if "image" in modalities and "image" not in model.output:
        raise Failure(
            Code.UNSUPPORTED, f"modalities asks for image, but {model.id} answers in text only.", param="modalities"
        )
    if "image" not in modalities and "image" in model.output:
        raise Failure(
            Code.UNSUPPORTED,
            f'modalities asks for text alone, but {model.id} is a model for pictures. It takes ["image"] and '
            '["text", "image"].',
            param="modalities",
        )


def _check_sampling(model: Model, sampling: Sampling) -> None:
    for field, value in sampling.asked().items():
        if field == "reasoning_effort":
            if value not in model.thinking_levels:
                choices = listed(model.thinking_levels) if model.thinking_levels else "no reasoning_effort"
                raise Failure(
                    Code.INVALID_VALUE,
                    f'reasoning_effort "{str(value)[:40]}" is not possible with {model.id}. It takes {choices}.',
                    param=field,
                )
        else:
            _check_parameter(model, field, field)


def _check_structure(model: Model, request: ChatRequest) -> None:
    if request.tools:
        _check_parameter(model, "tools", "tools")
    if request.response_format is not None:
        _check_parameter(model, "response_format", "response_format")
    for index, message in enumerate(request.messages):
        if any(isinstance(part, ToolCall | ToolResult) for part in message.parts):
            _check_parameter(model, "tools", f"messages[{index}].tool_calls")


def _check_parameter(model: Model, name: str, field: str) -> None:
    if name not in model.parameters:
        raise Failure(
            Code.UNSUPPORTED,
            f"{field} was given, but {model.id} does not take it. It takes {listed(model.parameters)}.",
            param=field,
        )


def _check_picture_count(model: Model, messages: Iterable[Message]) -> None:
    pictures = [(part, message) for message in messages for part in message.parts if isinstance(part, Picture)]
    if pictures and "image" not in model.input:
        where = pictures[0][0].where
        raise Failure(Code.UNSUPPORTED, f"{where} is a picture, but {model.id} reads text only.", param=where)
    if len(pictures) > MOST_PICTURES:
        raise Failure(
            Code.INVALID_VALUE,
            f"messages hold {len(pictures)} pictures. A request takes at most {MOST_PICTURES}, earlier answers "
            "included.",
            param="messages",
        )
    # What a model made itself stays in the conversation, however long it gets.
    count = sum(not message.made_by for _, message in pictures)
    most = model.max_input_images
    if most and count > most:
        raise Failure(
            Code.INVALID_VALUE,
            f"messages hold {count} pictures. {model.id} takes at most {most}.",
            param="messages",
        )
