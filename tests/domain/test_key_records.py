"""What a key may grant, and whose key stays as it is."""

from dataclasses import replace

import pytest

from impasto.domain.errors import Code, Failure
from impasto.domain.key_records import KeyTerms, check_is_not_the_operators, check_may_grant
from impasto.domain.keys import VirtualKey

MANAGER = VirtualKey("manager", frozenset({"manage", "read"}))
TERMS = KeyTerms("new", frozenset({"read"}))
BRUSH = frozenset({"maker/brush"})


@pytest.mark.parametrize(
    ("holder", "terms"),
    [
        (MANAGER, TERMS),
        (MANAGER, replace(TERMS, scopes=frozenset({"manage", "read"}), sandbox=True, models=BRUSH)),
        (MANAGER, replace(TERMS, scopes=frozenset())),
        (replace(MANAGER, models=BRUSH), replace(TERMS, models=BRUSH)),
        (replace(MANAGER, models=BRUSH), replace(TERMS, models=frozenset())),
        (replace(MANAGER, sandbox=True), replace(TERMS, sandbox=True)),
    ],
)
def test_what_one_holds_one_may_grant(holder: VirtualKey, terms: KeyTerms) -> None:
    check_may_grant(holder, terms)


@pytest.mark.parametrize(
    ("holder", "terms", "said"),
    [
        (MANAGER, KeyTerms("new"), 'scopes: the key "manager" cannot grant the scope generate, which it lacks itself.'),
        (replace(MANAGER, models=BRUSH), TERMS, "cannot grant more models than its own: maker/brush."),
        (replace(MANAGER, models=BRUSH), replace(TERMS, models=BRUSH | {"maker/other"}), "more models than its own"),
        (replace(MANAGER, sandbox=True), TERMS, "cannot grant a key that spends money"),
    ],
)
def test_nobody_grants_what_he_does_not_hold(holder: VirtualKey, terms: KeyTerms, said: str) -> None:
    with pytest.raises(Failure) as refused:
        check_may_grant(holder, terms)
    assert said in refused.value.message
    assert refused.value.code is Code.NOT_ALLOWED


def test_the_operators_key_is_a_setting() -> None:
    check_is_not_the_operators("key_1")
    with pytest.raises(Failure, match="change IMPASTO_API_KEY"):
        check_is_not_the_operators("operator")
