"""The errors as values: one line, and whole behind a process's border."""

import copy
import pickle

import pytest

from roci_nb import errors
from roci_nb.errors import (
    BadReply,
    ConfigError,
    ContextOverflow,
    EngineFailed,
    IdleTimeout,
    InvalidSetting,
    MissingExtra,
    ModelNotFound,
    Partial,
    RateLimited,
    RociError,
    SelectorError,
    ServerError,
    ServerUnreachable,
    Stopped,
    StreamBroken,
    ToolError,
    Unauthorized,
    UnknownProvider,
    Unsupported,
    one_line,
    show_as_one_line,
)
from roci_nb.types.results import Step
from roci_nb.types.tools import ToolCall
from roci_nb.types.usage import Usage

ONE_OF_EACH = (
    RociError("x: do y"),
    ConfigError("x: do y"),
    SelectorError("x: do y"),
    UnknownProvider("x: do y", key="olama", nearest=["ollama"]),
    InvalidSetting("x: do y", setting="seed"),
    MissingExtra("embedded", "the engine"),
    ServerUnreachable("x: do y", url="http://box:1"),
    ServerError("x: do y", status=500, body="boom"),
    ModelNotFound("x: do y", model="m", installed=["a", "b"], nearest=["a"], status=404, body="no"),
    ContextOverflow("x: do y", prompt_tokens=9, window=4, status=400, body="long"),
    Unsupported("x: do y", feature="tools", status=400, body="no"),
    Unauthorized("x: do y", status=401, body="no"),
    RateLimited("x: do y", retry_after_s=3.5, status=429, body="slow"),
    StreamBroken("x: do y"),
    IdleTimeout("x: do y", seconds=0.5),
    BadReply("x: do y", raw="<html>"),
    EngineFailed("x: do y", log="line"),
    ToolError("x: do y", tool="add"),
    Stopped("stopped"),
)
PARTIAL = Partial(
    "Hal", "hm", (Step(text="H", tool_calls=(ToolCall(name="f", arguments={"a": 1}, id="c"),), usage=Usage(1, 2)),)
)


def test_there_is_one_of_each():
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BaseException)}
    assert {type(error) for error in ONE_OF_EACH} == kinds


@pytest.mark.parametrize("restore", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("error", ONE_OF_EACH, ids=lambda error: type(error).__name__)
def test_an_error_survives_a_process_pool_with_all_that_it_knows(error, restore):
    error = copy.copy(error)
    error.partial = PARTIAL
    error.add_note("in cell 3")
    restored = restore(error)
    assert type(restored) is type(error)
    assert str(restored) == str(error)
    assert restored.args == error.args
    assert vars(restored) == vars(error)
    assert restored.partial == PARTIAL


def test_an_error_that_was_shown_in_a_cell_survives_too():
    error = RateLimited("x: do y", retry_after_s=3.5)
    show_as_one_line(error, "x: do y")
    restored = pickle.loads(pickle.dumps(error))
    assert (str(restored), restored.retry_after_s) == ("x: do y", 3.5)


@pytest.mark.parametrize(
    ("foreign", "line"),
    [
        ("two\nlines\r\nand\ttabs", "two lines and tabs"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("\x1b]52;c;cm0=\x07done", "]52;c;cm0= done"),
        ("a\x00b\x7fc\x9bd", "a b c d"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("left\u202eright\u200b", "left right"),
        ("half \ud800 a pair", "half a pair"),
        ("naïve 数 😀 “quoted”…", "naïve 数 😀 “quoted”…"),
    ],
)
def test_a_message_is_one_line_without_control_characters(foreign, line):
    assert one_line(foreign) == line
    assert str(RociError(foreign)) == line
    assert BadReply(foreign, raw=foreign).raw == foreign


def test_a_notebook_shows_the_users_own_lines_and_what_in_them_was_the_cause():
    def own_function():
        return {}["missing"]

    try:
        try:
            own_function()
        except KeyError as cause:
            raise RociError("the tool failed: mend it") from cause
    except RociError as error:
        shown = error._render_traceback_()
    assert [line.partition(", line ")[2].partition(": ")[2] for line in shown[:1]] == [
        'raise RociError("the tool failed: mend it") from cause'
    ]
    assert shown[1:3] == ["RociError: the tool failed: mend it", "caused by KeyError: 'missing'"]
    assert shown[-1].endswith('return {}["missing"]')
