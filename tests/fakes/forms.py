"""Bodies of forms, as RFC 7578 writes them."""

from dataclasses import dataclass

BOUNDARY = "------------------------d74496d66958873e"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass(frozen=True, slots=True)
class File:
    """A file in a form, and what the sender says that it is."""

    data: bytes
    name: str = "cat.png"
    media_type: str = "application/octet-stream"


def form(*fields: tuple[str, str | File]) -> bytes:
    """A form with these fields, in their order."""
    return b"".join(_part(name, value) for name, value in fields) + f"--{BOUNDARY}--\r\n".encode()


def _part(name: str, value: str | File) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
    if isinstance(value, str):
        return f"{head}\r\n\r\n{value}\r\n".encode()
    return (
        f'{head}; filename="{value.name}"\r\nContent-Type: {value.media_type}\r\n\r\n'.encode() + value.data + b"\r\n"
    )
