"""Tags: what can be kept, and the sentence for what cannot."""

import pytest

from impasto.domain.errors import Code, Failure
from impasto.domain.tags import check_tags


@pytest.mark.parametrize(
    "tags",
    [{}, {"client": "Acme"}, {"a:b/c-d_e.1": "X:/-_.9"}, {"n" * 64: "v" * 128}, {str(n): "x" for n in range(10)}],
)
def test_ordinary_tags_are_taken(tags: dict[str, str]) -> None:
    check_tags(tags, "tags")


@pytest.mark.parametrize(
    ("tags", "said", "param"),
    [
        ({str(n): "x" for n in range(11)}, "tags holds 11 tags. It takes at most 10.", "tags"),
        ({"Client": "x"}, 'tags: "Client" is no name of a tag', "tags"),
        ({"": "x"}, "is no name of a tag", "tags"),
        ({"n" * 65: "x"}, "is no name of a tag", "tags"),
        ({"eden:a": "x"}, 'tags: "eden:a" begins with eden:, which is reserved. Name the tag otherwise.', "tags"),
        ({"impasto:a": "x"}, "begins with impasto:, which is reserved", "tags"),
        ({"client": ""}, 'tags.client: "" is no value of a tag', "tags.client"),
        ({"client": "two words"}, "is no value of a tag", "tags.client"),
        ({"client": "v" * 129}, "is no value of a tag", "tags.client"),
        ({"client": "x\n"}, "is no value of a tag", "tags.client"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(tags: dict[str, str], said: str, param: str) -> None:
    with pytest.raises(Failure) as refused:
        check_tags(tags, "tags")
    assert said in refused.value.message
    assert (refused.value.code, refused.value.param) == (Code.INVALID_VALUE, param)
