import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roci_nb.errors import ConfigError
from roci_nb.generation.conversation import Conversation, Turn
from roci_nb.generation.conversation_file import beside, restore, save
from roci_nb.types.messages import ImagePart, ModelMessage, TextPart
from roci_nb.types.usage import Usage

PICTURES = st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a"])
TEXTS = st.text(max_size=40)
COUNTS = st.none() | st.integers(min_value=0, max_value=10**9)
PARTS = TEXTS.map(lambda text: TextPart(text=text)) | st.builds(
    lambda kind, rest: ImagePart(data=kind + rest), PICTURES, st.binary(max_size=40)
)
TURNS = st.builds(
    Turn,
    key=st.text(min_size=1, max_size=12),
    message=st.builds(ModelMessage.user, TEXTS | st.lists(PARTS, max_size=3)),
    state=st.sampled_from(["done", "stopped", "failed"]),
    reply=TEXTS,
    model=TEXTS,
    usage=st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS),
    stale=st.booleans(),
)
NAMED = st.dictionaries(TEXTS, st.lists(TURNS, max_size=4, unique_by=lambda turn: turn.key), max_size=3)

TURN = {"key": "k", "asked": "hi", "state": "done", "answered": "yes", "model": "ollama:a"}


def written(path: Path, *turns: object) -> Path:
    path.write_text(json.dumps({"roci_nb_conversations": 1, "conversations": {"": list(turns)}}))
    return path


@given(NAMED)
def test_every_conversation_comes_back_as_it_was(named):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "talk.json"
        save({name: Conversation.of(turns) for name, turns in named.items()}, path)
        found = restore(path)
    assert {name: list(conversation) for name, conversation in found.items()} == named
    assert list(found) == list(named)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
# One field of a turn that is right is changed at a time: what is wrong all over is refused at the first look.
FIELDS = st.sampled_from([*TURN, "input_tokens", "output_tokens", "total_tokens", "cached_tokens", "stale"])


@given(FIELDS, JSON)
@example("input_tokens", 10**400)
@example("total_tokens", -1)
@example("asked", [{"image": "iVBORw0KGgo=", "media_type": None}])
def test_what_is_restored_can_be_shown_sent_and_saved_again_whatever_the_file_holds(field, value):
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder) / "talk.json", {**TURN, field: value})
        try:
            conversation = restore(path)[""]
        except ConfigError as error:
            assert "\n" not in str(error)
            return
        [turn] = conversation
        assert repr(conversation)
        assert conversation._repr_html_()
        assert len(conversation.context(None).messages) == 2 * (turn.state == "done")
        save({"": conversation}, path)
        assert list(restore(path)[""]) == list(conversation)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_line(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "talk.json"
        path.write_bytes(data)
        with pytest.raises(ConfigError) as caught:
            restore(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("turns", "told"),
    [
        ([5], "a turn is no object"),
        ([{**TURN, "asked": None}], "asked is no list"),
        ([{**TURN, "asked": ["hi"]}], "a part is no object"),
        ([{**TURN, "asked": [{"image": "aGk=", "media_type": ""}]}], "no PNG"),
        ([{**TURN, "asked": [{"image": "not base64", "media_type": ""}]}], "can't be read"),
        ([{**TURN, "answered": ["yes"]}], "answered is no text"),
        ([{**TURN, "state": "running"}], "no key or no end"),
        ([{**TURN, "input_tokens": 10**400}], "input_tokens is no count"),
        ([{**TURN, "input_tokens": -4}], "input_tokens is no count"),
        ([{**TURN, "input_tokens": True}], "input_tokens is no count"),
        ([TURN, TURN], "two have one key"),
    ],
)
def test_nothing_of_a_file_is_left_out_in_silence(tmp_path, turns, told):
    with pytest.raises(ConfigError, match=told):
        restore(written(tmp_path / "talk.json", *turns))


@pytest.mark.parametrize("conversations", [None, 7, [], {"": 5}, {"": None}])
def test_conversations_that_are_none_are_refused(tmp_path, conversations):
    path = tmp_path / "talk.json"
    path.write_text(json.dumps({"roci_nb_conversations": 1, "conversations": conversations}))
    with pytest.raises(ConfigError, match="mend it or leave it"):
        restore(path)


def test_an_older_file_is_replaced_whole_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "talk.json"
    save({"": Conversation.of([Turn("a", ModelMessage.user("x" * 10_000), state="done")])}, path)
    save({"": Conversation.of([Turn("b", ModelMessage.user("y"), state="done")])}, path)
    assert [turn.key for turn in restore(path)[""]] == ["b"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_can_not_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="can't be written"):
        save({}, tmp_path / "folder")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


@pytest.mark.parametrize("path", [".", "/", "a\0b"])
def test_a_path_that_no_file_has_is_refused_in_one_line(path):
    with pytest.raises(ConfigError, match="name another file") as caught:
        save({}, Path(path))
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError):
        restore(Path(path))


@pytest.mark.parametrize(
    ("notebook", "file"), [("a/talk.ipynb", "a/talk.roci.json"), ("talk.v1.ipynb", "talk.v1.roci.json")]
)
def test_the_file_stands_beside_the_notebook(notebook, file):
    assert beside(Path(notebook)) == Path(file)
