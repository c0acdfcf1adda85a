"""All providers and models, by name.

Rule: a name matches exactly or through a listed alias; anything else is only suggested.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from impasto.domain.model import Model, Provider

# Longer words are no misspelt names; comparing them would only take time.
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`providers` by id, `models` by full id (`provider/name`), `aliases` from other names to full ids."""

    providers: Mapping[str, Provider]
    models: Mapping[str, Model]
    aliases: Mapping[str, str]

    def find(self, name: str) -> Model | None:
        """The model of this name, exactly as it is written, or of this alias."""
        return self.models.get(self.aliases.get(name, name))

    def nearest(self, name: str) -> tuple[str, ...]:
        """Up to three ids that may have been meant, best first.

        A name without its provider finds every provider's model of that name.
        """
        if len(name) > _LONGEST_NAME:
            return ()
        tails = [id_ for id_ in self.models if id_.partition("/")[2] == name.rpartition("/")[2]]
        written = {id_.lower(): id_ for id_ in (*self.aliases, *self.models)}
        close = [written[word] for word in difflib.get_close_matches(name.lower(), written, n=3)]
        found = dict.fromkeys(self.aliases.get(one, one) for one in (*tails, *close))
        return tuple(found)[:3]
