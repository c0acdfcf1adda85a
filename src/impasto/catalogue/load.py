"""Reads the packaged catalogue, and lays over it what the operator says.

Rule: the only file of the core that reads files. A provider is added by adding its TOML
file to this folder; the file's name is the provider's id.
"""

from collections.abc import Mapping
from importlib.resources import files

from impasto.catalogue.assemble import assemble
from impasto.catalogue.catalogue import Catalogue


def load_catalogue(operator: Mapping[str, object] | None = None, *, origin: str = "") -> Catalogue:
    """The packaged catalogue with the operator's tables laid over it. Raises `CatalogueError`.

    `operator` holds parsed TOML, each key of it one of `schema.OPERATOR_TABLES`; `origin`
    names the file that it came from, for messages.
    """
    return assemble(_packaged_texts(), operator or {}, origin=origin or "the operator's tables")


def _packaged_texts() -> dict[str, str]:
    folder = sorted(files("impasto.catalogue").iterdir(), key=lambda file: file.name)
    return {file.name: file.read_text(encoding="utf-8") for file in folder if file.name.endswith(".toml")}
