from impasto.domain.usage import Usage


def test_sums_hold_every_kind_once() -> None:
    usage = Usage(1, 20, 300, 4000, 50000, cached_tokens=7)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (21, 54300, 54321)


def test_what_was_counted_as_words_becomes_the_picture() -> None:
    assert Usage(5, 0, 1300).with_image_tokens(1290) == Usage(5, 0, 10, 1290, estimated=True)


def test_a_picture_never_counts_less_than_the_catalogue_says() -> None:
    assert Usage(5, 0, 100).with_image_tokens(1290) == Usage(5, 0, 0, 1290, estimated=True)
