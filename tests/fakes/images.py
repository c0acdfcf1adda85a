"""An image source that holds its pictures by URL, and refuses every other."""

from dataclasses import dataclass, field

from impasto.domain.errors import Code, Failure


@dataclass(slots=True)
class FakeImages:
    """`pictures[url]` is what a fetch gives; an exception in its place is raised. `fetched` are the URLs asked for."""

    pictures: dict[str, bytes | Exception] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)

    async def fetch(self, url: str, *, where: str) -> bytes:
        self.fetched.append(url)
        found = self.pictures.get(url)
        if found is None:
            raise Failure(Code.IMAGE_FETCH_FAILED, f"{where}: nothing is at that address.", param=where)
        if isinstance(found, Exception):
            raise found
        return found
