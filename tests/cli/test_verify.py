"""`impasto verify`: nothing is asked unasked, no bound is passed, and every difference is told."""

import base64
import json
import urllib.error
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from email.message import Message
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.api.chat_wire import parse_chat_body
from impasto.catalogue.load import load_catalogue
from impasto.cli.verify_asking import Ask, Verifier
from impasto.cli.verify_photo import HEIGHT, WIDTH, photo
from impasto.cli.verify_plan import SEED, Check, Kind, Purse, cheapest_config, plan_of
from impasto.cli.verify_report import Outcome, Report, Verdict, facts_of, markdown_of
from impasto.completions.estimate import most_it_can_cost
from impasto.domain.image import Dimensions, ImageConfig, dimensions_of, media_type_of
from impasto.domain.model import Lifecycle, Model
from tests.cli.conftest import Impasto
from tests.fakes.models import LIMITS, a_catalogue, a_model, a_text_model, retiring
from tests.fakes.pictures import png

KEY = {"GEMINI_API_KEY": "a key"}
NO_KEY = "No key for Google is set: GEMINI_API_KEY or GOOGLE_API_KEY."
READY = {"google": True, "local": True}
LONG_AGO = date(2020, 1, 1)
PICTURE_URL = f"data:image/png;base64,{base64.b64encode(png()).decode()}"


def test_the_photo_is_a_small_picture() -> None:
    data = photo()
    assert len(data) < 150_000
    assert media_type_of(data) == "image/png"
    assert dimensions_of(lambda offset, count: data[offset : offset + count], "image/png") == Dimensions(WIDTH, HEIGHT)
    assert photo() == data


# --- the plan ---


def test_the_seeds_requests_come_first_then_the_cheapest() -> None:
    checks = plan_of(load_catalogue(), READY)
    assert [(check.kind, check.model.id, check.config) for check in checks[:2]] == [
        (Kind.SEED_PICTURE, SEED, ImageConfig("16:9", "2K")),
        (Kind.SEED_EDIT, SEED, ImageConfig("1:1", "2K")),
    ]
    bounds = [check.most for check in checks[2:] if check.most is not None]
    assert len(bounds) == len(checks) - 2
    assert bounds == sorted(bounds)


def test_every_model_with_a_key_is_asked_once_and_again_where_it_signs() -> None:
    catalogue = load_catalogue()
    checks = plan_of(catalogue, READY)[2:]
    models = [model for model in catalogue.models.values() if not model.provider.is_local]
    first = [check.model.id for check in checks if check.kind is not Kind.SECOND_TURN]
    second = [check.model.id for check in checks if check.kind is Kind.SECOND_TURN]
    assert sorted(first) == sorted(model.id for model in models)
    assert sorted(second) == sorted(model.id for model in models if model.signatures and model.makes_images)
    order = [(check.model.id, check.kind) for check in checks]
    for name in second:
        assert order.index((name, Kind.PICTURE)) < order.index((name, Kind.SECOND_TURN))


def test_without_a_key_only_the_seeds_requests_are_left_and_cannot_be_asked() -> None:
    checks = plan_of(load_catalogue(), {"google": False, "local": True})
    assert [check.why_not for check in checks] == [NO_KEY] * 2


def test_a_picture_is_asked_for_in_the_cheapest_size_and_not_in_1_1() -> None:
    assert cheapest_config(LIMITS) == ImageConfig("16:9", "1K")
    reversed_sizes = replace(LIMITS, tokens_per_image={"1K": 2, "2K": 1}, dimensions={})
    assert cheapest_config(reversed_sizes) == ImageConfig("16:9", "2K")
    assert cheapest_config(replace(LIMITS, aspect_ratios=("1:1",))) == ImageConfig("1:1", "1K")
    measured = replace(LIMITS, aspect_ratios=("1:1", "2:3", "9:16"))
    assert cheapest_config(measured) == ImageConfig("9:16", "1K")


def test_a_bound_covers_whoever_may_answer_and_is_what_the_gateway_would_say() -> None:
    dear = a_model("dear", images=replace(LIMITS, max_images_per_call=5))
    catalogue = a_catalogue(a_model("old", lifecycle=retiring("google/dear")), dear)
    [check, _] = plan_of(catalogue, READY)
    request = parse_chat_body(json.dumps(check.body()).encode()).request
    assert check.most == most_it_can_cost(dear, request, check.config)
    assert request.max_cost == check.most


def test_what_a_model_cannot_do_is_said_and_not_asked() -> None:
    catalogue = load_catalogue()
    small = replace(catalogue.models[SEED], images=LIMITS, input=("text",))
    picture, edit, *_ = plan_of(replace(catalogue, models={SEED: small}, aliases={}), READY)
    assert picture.why_not == ""
    assert "reads text only" in edit.why_not


def test_the_request_holds_nothing_that_its_model_does_not_take() -> None:
    for check in plan_of(load_catalogue(), READY):
        assert check.why_not == ""
        assert check.most is not None
        assert parse_chat_body(json.dumps(check.body(PICTURE_URL)).encode()).ignored == ()


# --- money ---


def a_check(kind: Kind = Kind.PICTURE, model: Model | None = None, most: str | None = "0.10", **more: Any) -> Check:
    config = ImageConfig() if kind is Kind.WORDS else ImageConfig("16:9", "1K")
    return Check(kind, model or a_model(), config, None if most is None else Decimal(most), **more)


@given(st.lists(st.decimals("0", "2", places=4)), st.decimals("0", "3", places=4))
def test_what_is_reserved_never_passes_what_is_allowed(bounds: list[Decimal], allowed: Decimal) -> None:
    purse = Purse(allowed)
    for bound in bounds:
        check = a_check(most=str(bound))
        if not purse.why_not(check):
            purse.reserve(check)
        assert purse.reserved <= allowed


def test_what_does_not_fit_or_is_unknown_says_so() -> None:
    purse = Purse(Decimal("0.15"))
    purse.reserve(a_check())
    assert purse.why_not(a_check()) == (
        "It can cost up to $0.1000, and what came before up to $0.1000: together more than --max-cost $0.15."
    )
    assert purse.why_not(a_check(most="0.05")) == ""
    assert purse.why_not(a_check(most=None)).startswith("What it can cost at most is unknown")


def test_what_costs_more_than_its_bound_is_counted() -> None:
    purse = Purse(Decimal(1))
    purse.reserve(a_check())
    purse.correct(a_check(), Decimal("0.05"))
    purse.correct(a_check(), None)
    assert purse.reserved == Decimal("0.10")
    purse.correct(a_check(), Decimal("0.25"))
    assert purse.reserved == Decimal("0.25")


# --- comparing ---


def an_answer(data: bytes | None = None, words: str = "", **more: Any) -> dict[str, Any]:
    """What a gateway answers: by default just what is claimed of `a_model()` in 16:9 and 1K."""
    picture = png(1376, 768) if data is None else data
    pixels = dimensions_of(lambda offset, count: picture[offset : offset + count], "image/png")
    content = words or f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    return {
        "choices": [{"message": {"content": content}, "finish_reason": "stop", "native_finish_reason": "STOP"}],
        "usage": {"completion_tokens_details": {"image_tokens": 0 if words else 1120}},
        "cost": 0.07,
        "cost_status": "exact",
        "applied": [{"dimensions": {"width": pixels.width, "height": pixels.height} if pixels else None}],
    } | more


def tokens(count: int) -> dict[str, Any]:
    return {"completion_tokens_details": {"image_tokens": count}}


def answering(answer: dict[str, Any]) -> Ask:
    return lambda _: answer


def judged(answer: dict[str, Any], check: Check | None = None, *others: Model) -> Outcome:
    check = check or a_check()
    verifier = Verifier(a_catalogue(check.model, *others), Purse(Decimal(10)), now=lambda: 0.0)
    return verifier.run(check, answering(answer))


def test_what_is_as_claimed_is_ok() -> None:
    outcome = judged(an_answer())
    assert (outcome.verdict, outcome.cost, outcome.may_cost) == (Verdict.OK, Decimal("0.07"), None)
    assert outcome.got == "1376×768, image/png, 1120 tokens, stop"
    assert outcome.sentence == (
        "As claimed: service its own answer; finish reason stop (STOP); ratio 16:9 +0.8%; pixels 1376×768; "
        "media type image/png; `applied` 1376×768; tokens per picture 1120 × 1; cost $0.0700."
    )


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (an_answer(png(1344, 768)), "pixels: 1376×768 claimed, 1344×768 (differs by -32 and +0) came."),
        (an_answer(png(1024, 1024)), "ratio: 16:9 claimed, 16:9 -43.8% came; pixels: 1376×768 claimed, 1024×1024"),
        (an_answer(usage=tokens(1290)), "tokens per picture: 1120 claimed, 1290 came."),
        (an_answer(usage=tokens(2240)), "tokens per picture: 1120 claimed, 2240 came."),
        (
            an_answer(cost_status="estimated"),
            "tokens per picture: 1120 claimed, no count by the provider came; cost: an exact one",
        ),
        (an_answer(cost=0.2), "cost: an exact one of at most $0.1000 claimed, $0.2000 came."),
        (
            an_answer(choices=[an_answer()["choices"][0] | {"finish_reason": "length"}]),
            "finish reason: stop claimed, length (STOP) came.",
        ),
        (an_answer(applied=[{"dimensions": None}]), "`applied`: 1376×768 claimed, unknown pixels came."),
    ],
)
def test_what_differs_is_told(answer: dict[str, Any], sentence: str) -> None:
    outcome = judged(answer)
    assert outcome.verdict is Verdict.DIFFERS
    assert outcome.sentence.startswith(sentence)


def test_an_unknown_cost_is_named_with_its_bound() -> None:
    outcome = judged(an_answer(cost=None, cost_status="unknown"))
    assert (outcome.verdict, outcome.cost, outcome.may_cost) == (Verdict.DIFFERS, None, Decimal("0.10"))
    assert outcome.cost_text == "up to $0.1000"


def test_a_label_that_is_not_the_bytes_is_told() -> None:
    answer = an_answer()
    message = answer["choices"][0]["message"]
    message["content"] = message["content"].replace("image/png", "image/jpeg")
    assert judged(answer).sentence == "media type: image/png claimed, image/jpeg came."


def test_drafts_are_billed_each() -> None:
    model = a_model(images=replace(LIMITS, drafts=True, max_images_per_call=3))
    assert judged(an_answer(usage=tokens(3 * 1120)), a_check(model=model)).verdict is Verdict.OK
    assert judged(an_answer(usage=tokens(4 * 1120)), a_check(model=model)).verdict is Verdict.DIFFERS


def test_what_the_catalogue_does_not_say_cannot_differ() -> None:
    model = a_model(images=replace(LIMITS, dimensions={}, tokens_per_image={}))
    assert judged(an_answer(png(1600, 900), usage=tokens(7)), a_check(model=model)).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (an_answer(words="Which style?"), "The model answered in words, $0.0700: Which style?"),
        (
            an_answer(choices=[{"message": {"content": None, "refusal": "No."}, "finish_reason": "content_filter"}]),
            "Refused: No. ($0.0700)",
        ),
    ],
)
def test_an_answer_without_a_picture_failed_and_was_paid(answer: dict[str, Any], sentence: str) -> None:
    outcome = judged(answer)
    assert (outcome.verdict, outcome.sentence, outcome.cost) == (Verdict.FAILED, sentence, Decimal("0.07"))


def test_words_are_asked_of_models_for_words() -> None:
    check = a_check(Kind.WORDS, a_text_model())
    assert judged(an_answer(words="Banana."), check).verdict is Verdict.OK
    nothing = an_answer(choices=[{"message": {"content": ""}, "finish_reason": "length"}])
    assert judged(nothing, check).sentence == "The answer holds no words (length, $0.0700)."
    refused = an_answer(choices=[{"message": {"content": None, "refusal": "No."}, "finish_reason": "content_filter"}])
    assert judged(refused, check).sentence == "Refused: No. ($0.0700)"


# --- what is retired ---


def gone(model: Model) -> Model:
    return replace(model, lifecycle=replace(model.lifecycle, retired=LONG_AGO))


def test_a_replacements_answer_is_measured_by_the_replacements_claims() -> None:
    other = a_model("new", images=replace(LIMITS, tokens_per_image={"1K": 560}))
    check = a_check(model=a_model("old", lifecycle=retiring("google/new")))
    outcome = judged(an_answer(usage=tokens(560), served_by="google/new"), check, other)
    assert outcome.sentence == "service: served as old claimed, an answer of google/new in its place came."
    retired = a_check(model=gone(check.model))
    assert judged(an_answer(usage=tokens(560), served_by="google/new"), retired, other).verdict is Verdict.OK


def test_a_retired_model_that_answers_differs_unless_it_is_sent_under_another_name() -> None:
    model = gone(a_model())
    outcome = judged(an_answer(), a_check(model=model))
    assert outcome.sentence == "service: retired on 2020-01-01 claimed, its own answer came."
    assert judged(an_answer(), a_check(model=replace(model, wire_name="final-name"))).verdict is Verdict.OK


def failing(status: int, message: str = "It broke.", **headers: str) -> Ask:
    raw = Message()
    for name, value in headers.items():
        raw[name.replace("_", "-")] = value

    def ask(_: Mapping[str, object]) -> dict[str, Any]:
        with urllib.error.HTTPError("http://x", status, "", raw, None) as error:
            raise click.ClickException(message) from error

    return ask


def outcome_of(ask: Ask, model: Model | None = None, **more: Any) -> Outcome:
    verifier = Verifier(a_catalogue(a_model()), Purse(Decimal(10)), now=lambda: 0.0, **more)
    return verifier.run(a_check(model=model), ask)


def test_a_provider_that_knows_no_such_model_confirms_or_contradicts() -> None:
    outcome = outcome_of(failing(410, "Google no longer serves it.", x_should_retry="false"))
    assert (outcome.verdict, outcome.cost) == (Verdict.DIFFERS, Decimal(0))
    assert outcome.sentence == (
        "service: served as painting-model claimed, the answer that there is no such model came. "
        "Google no longer serves it."
    )
    model = a_model(lifecycle=Lifecycle(retired=LONG_AGO))
    assert outcome_of(failing(410), model).verdict is Verdict.OK


def test_an_error_may_have_cost_money_where_the_gateway_says_not_to_repeat_it() -> None:
    spent = outcome_of(failing(502, x_should_retry="false"))
    assert (spent.verdict, spent.cost, spent.may_cost) == (Verdict.FAILED, None, Decimal("0.10"))
    unspent = outcome_of(failing(429))
    assert (unspent.verdict, unspent.cost, unspent.may_cost) == (Verdict.FAILED, Decimal(0), None)


def test_silence_may_have_cost_money() -> None:
    def ask(_: Mapping[str, object]) -> dict[str, Any]:
        raise click.ClickException("It sent nothing.")

    outcome = outcome_of(ask)
    assert (outcome.verdict, outcome.sentence, outcome.may_cost) == (
        Verdict.FAILED, "It sent nothing.", Decimal("0.10"),
    )  # fmt: skip


def test_no_secret_and_no_novel_is_told() -> None:
    outcome = outcome_of(failing(400, "The key s3cret is\nbad. " + "x" * 2000), hidden=("s3cret",))
    assert outcome.sentence.startswith("The key [hidden] is bad. xxx")
    assert len(outcome.sentence) < 700


# --- turns ---


def verified(checks: list[Check], ask: Ask, max_cost: str = "10") -> list[Outcome]:
    verifier = Verifier(a_catalogue(a_model()), Purse(Decimal(max_cost)), now=lambda: 0.0)
    return [verifier.run(check, ask) for check in checks]


def test_a_second_turn_sends_the_picture_back() -> None:
    bodies: list[Mapping[str, Any]] = []
    answer = an_answer()

    def ask(body: Mapping[str, object]) -> dict[str, Any]:
        bodies.append(body)
        return answer

    outcomes = verified([a_check(), a_check(Kind.SECOND_TURN)], ask)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.OK, Verdict.OK]
    roles = [(message["role"], message["content"]) for message in bodies[1]["messages"]]
    assert [role for role, _ in roles] == ["user", "assistant", "user"]
    assert roles[1][1] == answer["choices"][0]["message"]["content"]


def test_without_a_picture_of_its_own_there_is_no_second_turn() -> None:
    for answer in (an_answer(words="No."), an_answer(served_by="google/painting-model")):
        _, second = verified([a_check(), a_check(Kind.SECOND_TURN)], answering(answer))
        assert second.verdict is Verdict.SKIPPED
        assert second.sentence == "There is no picture of this model's own to go on from."


def test_what_does_not_fit_is_never_sent() -> None:
    sent: list[object] = []

    def ask(body: Mapping[str, object]) -> dict[str, Any]:
        sent.append(body)
        return an_answer(cost=0.05)

    outcomes = verified([a_check(), a_check(most="0.2"), a_check(most="0.05")], ask, "0.16")
    assert [outcome.verdict for outcome in outcomes] == [Verdict.OK, Verdict.SKIPPED, Verdict.OK]
    assert len(sent) == 2


def test_ctrl_c_keeps_what_came_and_names_what_was_under_way() -> None:
    def ask(_: Mapping[str, object]) -> dict[str, Any]:
        raise KeyboardInterrupt

    checks = (a_check(), a_check(most="0.2"), a_check(most="0.3"))
    verifier = Verifier(a_catalogue(a_model()), Purse(Decimal(10)))
    verifier.run(checks[0], answering(an_answer()))
    with pytest.raises(KeyboardInterrupt):
        verifier.run(checks[1], ask)
    verifier.stop(checks)
    first, second, third = verifier.outcomes
    assert [first.verdict, second.verdict, third.verdict] == [Verdict.OK, Verdict.FAILED, Verdict.SKIPPED]
    assert second.may_cost == Decimal("0.2")
    assert third.may_cost is None


# --- the report ---


def a_report(*outcomes: Outcome, **more: Any) -> Report:
    return Report(outcomes, Decimal("0.50"), date(2026, 11, 22), ("Google, at its own address",), **more)


def test_the_report_adds_up_and_says_what_is_unknown() -> None:
    report = a_report(
        Outcome(a_check(), Verdict.OK, "Good.", cost=Decimal("0.07")),
        Outcome(a_check(), Verdict.FAILED, "Bad.", may_cost=Decimal("0.10")),
        Outcome(a_check(), Verdict.SKIPPED, "No."),
        is_stopped=True,
    )
    assert report.summary == "1 ok, 0 differs, 1 failed, 1 skipped. Stopped by Ctrl-C."
    assert report.spent_text == ("Spent: $0.0700, and up to $0.1000 more for what came without a bill; allowed: $0.50.")
    assert not report.is_good
    assert a_report(Outcome(a_check(), Verdict.SKIPPED, "No.")).is_good
    facts = facts_of(report)
    assert (facts["spent"], facts["may_have_spent"], facts["stopped"]) == ("0.07", "0.10", True)


def test_strangers_words_stay_words_in_markdown() -> None:
    outcome = Outcome(a_check(), Verdict.FAILED, "<img src=x> | @somebody\nsaid", got="a | b")
    text = markdown_of(a_report(outcome))
    assert "<img" not in text
    assert "@somebody" not in text
    assert "| google/painting-model | picture, 16:9, 1K | a \\| b | failed | - |" in text
    assert "1. **failed** &lt;img src=x> | @\u200bsomebody said" in text


# --- the command ---


def test_without_live_nothing_is_asked_and_the_most_is_said(impasto: Impasto, folder: Path) -> None:
    result = impasto("verify", GOOGLE_GEMINI_BASE_URL="http://127.0.0.1:9", **KEY)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "They cost at most $0.4" in result.stdout
    assert result.stdout.endswith("Nothing was asked. To spend it: impasto verify --live --max-cost 0.50\n")
    assert list(folder.iterdir()) == []


def test_the_plan_as_json_keeps_within_what_is_allowed(impasto: Impasto) -> None:
    facts = json.loads(impasto("verify", "--json", "--max-cost", "0.2", **KEY).stdout)
    would_run = [check for check in facts["checks"] if check["would_run"]]
    assert Decimal(facts["most"]) == sum(Decimal(check["most"]) for check in would_run)
    assert Decimal(facts["most"]) <= Decimal("0.2")
    assert any(check["why_not"] for check in facts["checks"])


def test_without_a_key_the_plan_says_which_to_set(impasto: Impasto) -> None:
    result = impasto("verify")
    assert result.exit_code == 0
    assert result.stdout.endswith(f"There is nothing to ask. {NO_KEY}\n")


def test_one_model_alone(impasto: Impasto) -> None:
    facts = json.loads(impasto("verify", "--json", "-m", "google/gemini-3.1-flash-lite-image", **KEY).stdout)
    assert [check["check"] for check in facts["checks"]] == ["picture", "second turn"]


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--live"], {}, NO_KEY),
        (["-m", "google/gemini-3.1-flash-imag"], KEY, "Did you mean google/gemini-3.1-flash-image"),
        (["-m", "local/painter"], KEY, "local/painter works in this process"),
        (["-m", SEED], {}, "No key for Google is set. Set GEMINI_API_KEY or GOOGLE_API_KEY."),
        (["--max-cost", "much"], KEY, '"much" is no sum of money. It takes US dollars, such as 0.50.'),
        (["--max-cost", "-1"], KEY, '"-1" is no sum of money.'),
        (["--max-cost", "NaN"], KEY, '"NaN" is no sum of money.'),
        (["--live", "--max-cost", "0"], KEY, "--max-cost $0 allows nothing: the cheapest of these requests can cost"),
        (["--live", "--report", "nowhere/r.md"], KEY, "there is no folder nowhere."),
        (["--live", "--report", "."], KEY, "--report . is a folder."),
    ],
)
def test_a_wrong_call_is_told_and_asks_nothing(
    impasto: Impasto, arguments: list[str], environment: dict[str, str], said: str
) -> None:
    result = impasto("verify", *arguments, GOOGLE_GEMINI_BASE_URL="http://127.0.0.1:9", **environment)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""
