import dataclasses

import pytest

from roci_nb.types.events import TextStreamDelta


def test_text_and_reasoning_are_empty_texts_when_nothing_is_new():
    delta = TextStreamDelta()
    assert (delta.text, delta.reasoning, delta.finish_reason, delta.usage) == ("", "", None, None)


def test_a_delta_is_frozen_and_shows_only_what_it_holds():
    delta = TextStreamDelta(text="hi", phase="answering")
    assert repr(delta) == "TextStreamDelta(text='hi', phase='answering')"
    with pytest.raises(dataclasses.FrozenInstanceError):
        delta.text = "ho"
