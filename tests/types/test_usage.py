from roci_nb.types.usage import Timing, Usage


def test_usage_adds_up_and_unknown_stays_unknown():
    total = Usage(10, 5) + Usage(20, 5, cached_tokens=7)
    assert total == Usage(30, 10, 40, None, 7)
    assert (Usage() + Usage()).input_tokens is None


def test_the_total_is_worked_out_only_when_both_parts_are_known():
    assert Usage(3, 4).total_tokens == 7
    assert Usage(3).total_tokens is None
    assert Usage(3, 4, 9).total_tokens == 9


def test_unknown_times_are_none():
    assert Timing().tokens_per_second is None
