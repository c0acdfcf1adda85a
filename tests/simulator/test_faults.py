"""Three ways to ask for the same fault."""

import msgspec
import pytest

from impasto.simulator.faults import (
    KINDS,
    Drafts,
    Plan,
    Refuse,
    Reset,
    Stall,
    UnknownFault,
    Words,
    parse_plan,
    split_prompt,
)


def test_json_and_words_mean_the_same() -> None:
    plan = parse_plan(b'{"faults": [{"kind": "refuse", "reason": "NO_IMAGE"}, null, [{"kind": "reset"}]]}')
    assert plan == Plan([Refuse("NO_IMAGE"), None, [Reset()]])
    assert split_prompt("a cat [[fault:refuse NO_IMAGE]]") == ("a cat", (Refuse("NO_IMAGE"),))


def test_words_in_order_and_by_name() -> None:
    prompt, faults = split_prompt(
        "[[fault:stall 3 phase=mid_body]]a cat[[fault:words 'no, sorry']] [[fault:drafts 2 true]]"
    )
    assert prompt == "a cat"
    assert faults == (Stall(3, "mid_body"), Words("no, sorry"), Drafts(2, thought=True))


def test_a_prompt_without_magic_is_left_alone() -> None:
    assert split_prompt("  a cat [[not a fault]] ") == ("  a cat [[not a fault]] ", ())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_defaults_and_survives_json(kind: str) -> None:
    fault = KINDS[kind]()
    assert parse_plan(msgspec.json.encode({"always": [fault]})).always == [fault]
    assert split_prompt(f"[[fault:{kind}]]")[1] == (fault,)


@pytest.mark.parametrize(
    "words", ["", "nope", "reset later", "stall 1 mid_body 3 4", "html code=x", "refuse foo=1", "words don't"]
)
def test_what_is_no_fault_is_told(words: str) -> None:
    with pytest.raises(UnknownFault, match=r"\w"):
        split_prompt(f"[[fault:{words}]]")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"fault": []}', b'{"faults": [{"kind": "nope"}]}', b'{"faults": [{"kind": "cut", "x": 1}]}']
)
def test_json_that_is_no_plan_is_told(body: bytes) -> None:
    with pytest.raises(UnknownFault, match=r"\w"):
        parse_plan(body)
