"""Virtual keys: the text of a secret, what a key may do, and when it ends."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.domain.errors import Code, Failure
from impasto.domain.keys import PREFIX, SCOPES, VirtualKey, check_not_expired, is_well_formed, secret_from

CHANCE = st.binary(min_size=32, max_size=32)
ALPHABET = string.digits + string.ascii_letters


@given(CHANCE)
def test_every_secret_is_well_formed_and_of_one_length(chance: bytes) -> None:
    secret = secret_from(chance)
    assert is_well_formed(secret)
    assert secret.startswith(PREFIX)
    assert len(secret) == 57
    assert set(secret.removeprefix(PREFIX)) <= set(ALPHABET)


@given(CHANCE, CHANCE)
def test_two_secrets_are_alike_only_where_chance_is(one: bytes, other: bytes) -> None:
    assert (secret_from(one) == secret_from(other)) == (one == other)


@given(CHANCE, st.integers(0, 56), st.sampled_from(ALPHABET))
def test_one_wrong_character_shows(chance: bytes, place: int, character: str) -> None:
    secret = secret_from(chance)
    typed = secret[:place] + character + secret[place + 1 :]
    assert is_well_formed(typed) == (typed == secret)


@given(CHANCE, st.integers(0, 55))
def test_two_swapped_characters_show(chance: bytes, place: int) -> None:
    secret = secret_from(chance)
    typed = secret[:place] + secret[place + 1] + secret[place] + secret[place + 2 :]
    assert is_well_formed(typed) == (typed == secret)


@given(st.text())
def test_any_other_text_is_not_well_formed(text: str) -> None:
    assert not is_well_formed(text)
    assert not is_well_formed(PREFIX + text)


def test_a_secret_that_was_cut_or_dressed_is_not_well_formed() -> None:
    secret = secret_from(b"\xff" * 32)
    for typed in (secret[:-1], secret + "0", f" {secret}", f"{secret}\n", secret.upper(), secret.removeprefix(PREFIX)):
        assert not is_well_formed(typed)


@pytest.mark.parametrize("held", SCOPES)
def test_a_key_may_do_what_its_scopes_say_and_what_is_public(held: str) -> None:
    key = VirtualKey("one", frozenset({held}))  # type: ignore[arg-type]
    assert key.may("public")
    assert [scope for scope in SCOPES if key.may(scope)] == [held]


def test_a_key_may_use_every_model_or_those_it_lists() -> None:
    assert VirtualKey("one", frozenset()).may_use("maker/brush")
    bound = VirtualKey("one", frozenset(), models=frozenset({"maker/brush"}))
    assert bound.may_use("maker/brush")
    assert not bound.may_use("maker/other")


@pytest.mark.parametrize(("expires_ms", "now"), [(None, 1e12), (1_000_000, 999.999), (1_000_000, 0.0)])
def test_a_key_lives_until_its_time(expires_ms: int | None, now: float) -> None:
    check_not_expired(expires_ms, now)


@pytest.mark.parametrize("now", [1_790_000_000.0, 1_790_000_000.5, 2e9])
def test_a_key_ends_at_its_time(now: float) -> None:
    with pytest.raises(Failure, match=r"^This key expired on 2026-09-21 14:13 UTC\.$") as refused:
        check_not_expired(1_790_000_000_000, now)
    assert refused.value.code is Code.INVALID_API_KEY
