"""CBOR, as far as content credentials need it read.

Rule: what is malformed, too deep or too much is `None` as a whole; nothing raises. Byte strings, tags and
fractions are passed over: nobody here asks for them. https://www.rfc-editor.org/rfc/rfc8949
"""

_MOST_ITEMS = 10_000
_DEEPEST = 16
_SIMPLE = {20: False, 21: True}
_BREAK = object()


def read_cbor(data: bytes) -> object:
    """The first item in `data`: numbers, texts, lists, dicts by their texts, `None` for everything else."""
    try:
        return _Reading(data).item(0)
    except (ValueError, IndexError):
        return None


class _Reading:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._items = 0

    def item(self, depth: int) -> object:
        found = self._item(depth)
        if found is _BREAK:
            raise ValueError
        return found

    def _item(self, depth: int) -> object:
        self._items += 1
        if self._items > _MOST_ITEMS or depth > _DEEPEST:
            raise ValueError
        first = self._data[self._at]
        self._at += 1
        major, more = first >> 5, first & 31
        if first == 0xFF:
            return _BREAK
        number = None if more == 31 else self._number(more)
        match major:
            case 0 | 1:
                return _whole(number) if major == 0 else -1 - _whole(number)
            case 2 | 3:
                content = self._string(number, major)
                return content.decode() if major == 3 else None
            case 4:
                return list(self._list(number, depth + 1))
            case 5:
                return self._map(number, depth + 1)
            case 6:
                _whole(number)
                return self.item(depth + 1)
            case _:
                return _SIMPLE.get(more)

    def _number(self, more: int) -> int:
        if more < 24:
            return more
        if more > 27:
            raise ValueError
        return int.from_bytes(self._take(1 << more - 24), "big")

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise ValueError
        self._at += count
        return taken

    def _string(self, length: int | None, major: int) -> bytes:
        if length is not None:
            return self._take(length)
        pieces = []
        while self._data[self._at] != 0xFF:
            head = self._take(1)[0]
            if head >> 5 != major or head & 31 == 31:
                raise ValueError
            pieces.append(self._take(self._number(head & 31)))
        self._at += 1
        return b"".join(pieces)

    def _list(self, length: int | None, depth: int) -> list[object]:
        found: list[object] = []
        while length is None or len(found) < length:
            item = self._item(depth)
            if item is _BREAK and length is None:
                return found
            if item is _BREAK:
                raise ValueError
            found.append(item)
        return found

    def _map(self, length: int | None, depth: int) -> dict[str, object]:
        items = self._list(None if length is None else 2 * length, depth)
        if len(items) % 2:
            raise ValueError
        return {key: value for key, value in zip(items[::2], items[1::2], strict=True) if isinstance(key, str)}


def _whole(number: int | None) -> int:
    if number is None:
        raise ValueError
    return number
