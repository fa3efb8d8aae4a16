"""The window that an engine gets, and what is said of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from roci_nb.local.windows import DEFAULT_WINDOW, STEP, difference, fitted_window, leftover

ASKED = st.integers(1, 2**31 - 1)
TRAINED = st.none() | st.integers(1, 2**31 - 1)


@given(ASKED, TRAINED)
def test_a_window_holds_what_was_asked_or_all_that_the_model_was_trained_for(asked, trained):
    window = fitted_window(asked, trained)
    assert window >= min(asked, trained or asked)
    assert window < asked + STEP
    assert trained is None or window <= trained


@given(ASKED, TRAINED)
def test_two_wishes_that_come_to_the_same_are_one(asked, trained):
    assert fitted_window(fitted_window(asked, trained), trained) == fitted_window(asked, trained)


def test_unasked_a_model_gets_the_usual_window_and_no_more_than_its_own():
    assert fitted_window(None, None) == fitted_window(None, 131072) == DEFAULT_WINDOW
    assert fitted_window(None, 2048) == 2048


def test_every_difference_is_named_and_no_other():
    assert difference(100000, 8192, 8192) == "the model was trained for 8,192: num_ctx 100000 was cut to 8,192"
    assert difference(300, 512, 8192) == "windows come in steps of 256: num_ctx 300 was rounded up to 512"
    assert difference(300, 4096, None) == "num_ctx 300 was asked for, and the engine has a window of 4,096"
    assert difference(512, 512, 8192) is None


def test_a_smaller_window_that_was_left_is_named():
    assert leftover(512, 2048) == (
        "the window of 512 is from an earlier request, and stays: ask for more with num_ctx 2048"
    )
    assert leftover(2048, 2048) is None
    assert leftover(32768, 131072) is None
