"""Values in words: real frames and arrays, stand-ins for libraries that are not here, and objects that misbehave."""

# ruff: noqa: RUF001 - real multiplication signs

import asyncio
import math
import re
import sys
import types
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from roci_nb.magic.description import Description, describe

numpy = pytest.importorskip("numpy")
pandas = pytest.importorskip("pandas")


def text_of(value, budget_tokens: int = 1000) -> str:
    return describe(value, budget_tokens).text


def made(module: str, name: str, **attributes: object):
    """An object of a class that is called so and lives there; plain functions become its methods."""
    return type(name, (), {"__module__": module, **attributes})()


@dataclass
class Order:
    number: int
    lines: list[str]
    key: str = field(default="hidden", repr=False)


@dataclass
class Guarded:
    key: str

    def __repr__(self):
        return "Guarded(***)"


class Login(BaseModel):
    user: str
    password: SecretStr


class Place(NamedTuple):
    x: int
    y: str


class TestPlainValues:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (3, "3"),
            (2.5, "2.5"),
            (True, "True"),
            (None, "None"),
            (Decimal("1.10"), "1.10"),
            (date(2026, 1, 2), "2026-01-02"),
            (timedelta(hours=1), "1:00:00"),
            (1 + 2j, "(1+2j)"),
        ],
    )
    def test_a_number_or_a_date_is_itself(self, value, text):
        assert describe(value) == Description(text, type(value).__name__)

    def test_a_text_goes_in_whole_whatever_the_budget(self):
        text = "line\n" * 50_000
        assert describe(text, 10) == Description(text, "str")

    def test_bytes_show_their_beginning(self):
        described = describe(b"abc" * 100)
        assert described.text.startswith("bytes, 300 long: b'abc")
        assert described.left_out == "236 more bytes"
        assert describe(b"ab").left_out == ""

    def test_a_path_says_what_is_there_and_is_not_read(self, tmp_path):
        file = tmp_path / "data.csv"
        file.write_text("secret" * 1000)
        assert describe(file).text == f"{file} (a file of 6.0 kB, its content is not in this text)"
        assert describe(tmp_path).text == f"{tmp_path} (a folder)"
        assert describe(Path("/no/such")).text == "/no/such (nothing is there)"


class TestContainers:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ({"a": 1, "b": [True, None, "é"]}, '{"a": 1, "b": [true, null, "é"]}'),
            ((1,), "(1,)"),
            ((), "()"),
            ([], "[]"),
            ({3, 1, 2}, "{1, 2, 3}"),
            (deque([1]), "[1]"),
            (OrderedDict(a=1), '{"a": 1}'),
            (defaultdict(list, a=[1]), '{"a": [1]}'),
            ({1: "x", (2, 3): "y"}, '{1: "x", (2, 3): "y"}'),
            (Place(1, "b"), 'Place(x=1, y="b")'),
            (Order(7, ["a"]), 'Order(number=7, lines=["a"])'),
            (Guarded("sk-1"), "Guarded(***)"),
            ([Guarded("sk-1")], "[Guarded(***)]"),
            (Login(user="ada", password="sk-1"), "Login(user=\"ada\", password=SecretStr('**********'))"),
            ({"when": date(2026, 1, 2)}, '{"when": 2026-01-02}'),
            ({"x": float("nan")}, '{"x": nan}'),
        ],
    )
    def test_a_container_is_compact(self, value, text):
        assert describe(value) == Description(text, type(value).__name__)

    def test_what_does_not_fit_is_counted_in_the_text_and_beside_it(self):
        described = describe(list(range(1000)), 50)
        assert len(described.text) <= 200
        shown = re.fullmatch(r"\[0, 1, 2, .*, (\d+), … (\d+) more items left out\]", described.text)
        assert int(shown[1]) + 1 + int(shown[2]) == 1000
        assert described.left_out == f"{shown[2]} items"

    def test_insides_are_shortened_before_keys_are_left_out(self):
        described = describe({"long": list(range(5000)), "text": "x" * 10_000, "last": 1})
        assert described.text.endswith('"last": 1}')
        assert described.left_out == "4,950 items and the end of a text"

    def test_many_records_fill_the_budget(self):
        described = describe([{"id": n, "name": f"person {n}"} for n in range(500)], 200)
        assert 500 < len(described.text) <= 800
        assert re.fullmatch(r"4\d\d items", described.left_out)

    def test_many_long_insides_are_shortened_and_fill_the_budget(self):
        described = describe({f"k{n}": list(range(1000)) for n in range(1000)})
        assert 3500 < len(described.text) <= 4000
        assert '"k3": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … 990 more]' in described.text

    def test_one_huge_inside_still_leaves_a_trace(self):
        described = describe([["x" * 100] * 100] * 3, 5)
        assert described.text == "[… 3 more items left out]"

    def test_what_holds_itself_ends(self):
        inner: dict = {}
        inner["self"] = [inner]
        assert text_of(inner) == '{"self": [{… itself}]}'

    def test_what_is_nested_beyond_reading_ends(self):
        nested: list = []
        for _ in range(5000):
            nested = [nested]
        assert describe(nested).left_out

    def test_frames_arrays_and_what_is_not_computed_stand_in_brief_inside_others(self):
        frame = pandas.DataFrame({"a": [1, 2]})
        lazy = made("dask.dataframe", "DataFrame", shape=(3, 4), __repr__=lambda self: 1 / 0)
        value = {
            "df": frame,
            "few": numpy.arange(3),
            "many": numpy.zeros((50, 2)),
            "x": numpy.float64(1.5),
            "lazy": lazy,
        }
        assert text_of(value) == (
            '{"df": <DataFrame of shape (2, 1)>, "few": [0, 1, 2], "many": <ndarray of shape (50, 2)>, "x": 1.5, '
            '"lazy": <DataFrame of shape (3, 4)>}'
        )


class TestPandas:
    def test_a_frame_tells_shape_dtypes_missing_values_and_five_rows(self):
        frame = pandas.DataFrame({"n": range(1000), "word": ["a|b"] * 999 + [None], "x": [0.123456789] * 1000})
        described = describe(frame)
        lines = described.text.splitlines()
        assert lines[0] == "pandas DataFrame, 1,000 rows × 3 columns"
        assert lines[1] == "- n: int64"
        assert re.fullmatch(r"- word: (str|object), 1 missing", lines[2])
        assert lines[4:] == [
            "the first 5 rows:",
            "(index) | n | word | x",
            *(f"{n} | {n} | a|b | 0.123457" for n in range(5)),
            "(left out: 995 more rows)",
        ]
        assert (described.kind, described.left_out) == ("DataFrame", "995 more rows")

    def test_a_small_frame_is_told_whole(self):
        described = describe(pandas.DataFrame({"x": range(100)}).describe())
        assert described.left_out == ""
        assert "no missing values\nall rows:" in described.text
        assert described.text.count("\n") == 12

    def test_a_wide_frame_keeps_within_the_budget_and_names_what_is_left_out(self):
        frame = pandas.DataFrame({f"column {n}": [n, None] * 10 for n in range(3000)})
        described = describe(frame)
        assert len(described.text) <= 4000
        assert re.fullmatch(
            r"15 more rows, the last 2,9\d\d columns, to 'column 2999', 2,9\d\d of them with missing values",
            described.left_out,
        )

    @pytest.mark.parametrize(
        "frame",
        [
            pandas.DataFrame(),
            pandas.DataFrame({"a": []}),
            pandas.DataFrame([[1, 2]], columns=["same", "same"]),
            pandas.DataFrame([[1, 2]], columns=pandas.MultiIndex.from_tuples([("a", 1), ("a", 2)])),
            pandas.DataFrame({"when": pandas.date_range("2026-01-01", periods=3)}).set_index("when", drop=False),
            pandas.DataFrame({"c": pandas.Categorical(["x", "y"]), "o": [[1], {}]}),
            pandas.DataFrame({"x" * 500: ["y" * 500]}),
        ],
        ids=["empty", "no rows", "same names", "levels", "dates", "objects", "long"],
    )
    def test_unusual_frames_are_frames(self, frame):
        n_rows, n_columns = frame.shape
        assert text_of(frame).startswith(f"pandas DataFrame, {n_rows} rows × {n_columns} columns")

    def test_a_class_derived_from_a_frame_is_one(self):
        class Measurements(pandas.DataFrame):
            pass

        assert text_of(Measurements({"a": [1]})).startswith("pandas Measurements, 1 rows × 1 columns\n- a: int64")

    def test_a_series_tells_its_numbers(self):
        described = describe(pandas.Series([1.0, None, 3.0] * 10, name="x"))
        assert described.text.startswith(
            "pandas Series 'x', 30 values, float64\nmissing values: 10\nmin 1, max 3, mean 2, 10 NaN\n"
            "the first 5 values:\n0: 1\n1: nan\n2: 3"
        )
        assert described.left_out == "25 more values"

    def test_a_series_of_words_and_an_index_tell_their_first(self):
        assert "all values:\na: x\nb: y" in text_of(pandas.Series(["x", "y"], index=["a", "b"]))
        described = describe(pandas.RangeIndex(100))
        assert described.text.endswith("0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … 90 more values left out")
        assert described.left_out == "90 more values"


class TestArrays:
    def test_a_small_array_is_told_whole(self):
        assert describe(numpy.arange(6).reshape(2, 3)) == Description(
            "numpy array, shape 2 × 3, int64\nmin 0, max 5, mean 2.5\n[[0, 1, 2], [3, 4, 5]]", "ndarray"
        )

    def test_a_large_array_tells_its_range_and_first_elements(self):
        described = describe(numpy.linspace(0, 1, 10_001).reshape(73, 137))
        assert described.text.startswith("numpy array, shape 73 × 137, float64\nmin 0, max 1, mean 0.5\n")
        assert "the first elements: 0, 0.0001, 0.0002," in described.text
        assert described.left_out == "9,991 more elements"

    @pytest.mark.parametrize(
        ("array", "told"),
        [
            (numpy.array([1.0, numpy.nan, 3.0]), "min 1, max 3, mean 2, 1 NaN"),
            (numpy.array([numpy.nan]), "all NaN"),
            (numpy.array([numpy.inf, -numpy.inf]), "min -inf, max inf, mean nan"),
            (numpy.array([]), "[]"),
            (numpy.array(5), "shape (), int64"),
            (numpy.array(["a", "b"]), '["a", "b"]'),
            (numpy.array([True, False]), "[true, false]"),
            (numpy.array([object()] * 2), "<object object at"),
            (numpy.array([1 + 2j]), "(1+2j)"),
        ],
    )
    def test_unusual_arrays_are_told(self, array, told):
        assert told in text_of(array)

    def test_a_scalar_of_numpy_is_a_number(self):
        assert text_of(numpy.float64(1.5)) == "1.5"
        assert text_of(numpy.int32(2)) == "2"

    def test_a_tensor_is_told_by_shape_dtype_and_device(self):
        tensor = made("torch", "Tensor", shape=(300, 4), dtype="torch.float32", device="cuda:0")
        assert describe(tensor) == Description(
            "torch Tensor, shape 300 × 4, torch.float32, on cuda:0 (its values are left out)", "Tensor", "its values"
        )
        few = made("torch", "Tensor", shape=(2,), dtype="torch.int64", device="cpu", tolist=lambda self: [1, 2])
        assert describe(few).text == "torch Tensor, shape 2, torch.int64, on cpu\n[1, 2]"
        jax = made("jaxlib.xla_extension", "ArrayImpl", shape=(2,), dtype="float32", __repr__=lambda self: 1 / 0)
        assert text_of(jax) == "jaxlib ArrayImpl, shape 2, float32 (its values are left out)"


def test_a_polars_frame_is_told_like_any_other():
    rows = [(n, f"w{n}") for n in range(20)]
    counts = made("polars.dataframe.frame", "DataFrame", row=lambda self, n: (0, 2))
    frame = made(
        "polars.dataframe.frame",
        "DataFrame",
        shape=(20, 2),
        columns=["n", "word"],
        dtypes=["Int64", "String"],
        null_count=lambda self: counts,
        head=lambda self, n: made("polars.dataframe.frame", "DataFrame", rows=lambda self: rows[:n]),
    )
    assert text_of(frame) == (
        "polars DataFrame, 20 rows × 2 columns\n- n: Int64\n- word: String, 2 missing\nthe first 5 rows:\nn | word\n"
        "0 | w0\n1 | w1\n2 | w2\n3 | w3\n4 | w4\n(left out: 15 more rows)"
    )


class TestPictures:
    @pytest.fixture
    def axes(self):
        label = lambda text: types.SimpleNamespace(get_text=lambda: text)  # noqa: E731
        line = lambda name, y: types.SimpleNamespace(  # noqa: E731
            get_label=lambda: name, get_xdata=lambda: list(range(len(y))), get_ydata=lambda: y
        )
        return made(
            "matplotlib.axes._axes",
            "Axes",
            collections=[types.SimpleNamespace(get_offsets=lambda: [(0, 0)] * 50)],
            patches=[1, 2],
            images=[],
            get_title=lambda self: "Sales",
            get_xlabel=lambda self: "year",
            get_ylabel=lambda self: "",
            get_lines=lambda self: [line("north", [3.0, 1.0]), line("_child1", [])],
            get_legend=lambda self: types.SimpleNamespace(get_texts=lambda: [label("north")]),
        )

    def test_a_plot_is_described_and_said_not_to_be_the_picture(self, axes):
        figure = made("matplotlib.figure", "Figure", axes=[axes], get_suptitle=lambda self: "Report")
        described = describe(figure)
        assert described.text == (
            "matplotlib figure with 1 axes (a description, the picture itself is not in this text)\ntitle: Report\n"
            "axes 1: title: Sales; x: year; line 'north' of 2 points, x 0 to 1, y 1 to 3; line of 0 points; "
            "50 scattered points; 2 bars or shapes; legend: north"
        )
        assert described.left_out == "the picture"
        assert describe(axes).text.startswith("matplotlib axes (a description, the picture itself")

    def test_an_image_tells_its_size_and_mode(self):
        image = made("PIL.Image", "Image", size=(640, 480), mode="RGB")
        assert text_of(image) == (
            "picture of 640 × 480 pixels, mode RGB (a description, the picture itself is not in this text)"
        )


def inner(values):
    return values["absent"]


def outer():
    try:
        return inner({})
    except KeyError as error:
        raise ValueError("bad \x1b[31minput\x1b[0m") from error


class TestErrors:
    def test_an_error_tells_message_frames_and_cause(self):
        with pytest.raises(ValueError, match="bad") as caught:
            outer()
        described = describe(caught.value)
        assert described.kind == "ValueError"
        assert described.text.startswith("ValueError: bad input\nraised at:\n")
        assert 'raise ValueError("bad' in described.text
        assert "in outer" in described.text
        assert described.text.endswith("caused by KeyError: 'absent'")
        assert "\x1b" not in described.text

    def test_the_last_frames_are_kept(self):
        def deep(n):
            return deep(n - 1) if n else 1 / 0

        with pytest.raises(ZeroDivisionError) as caught:
            deep(50)
        described = describe(caught.value, 200)
        assert len(described.text) <= 800
        assert re.search(r"→ +\d+ +return deep\(n - 1\) if n else 1 / 0(\n[^→]*)?$", described.text)
        assert re.fullmatch(r"\d+ earlier frames", described.left_out)
        assert described.text.splitlines()[2] == f"… {described.left_out} left out"

    def test_frames_of_libraries_are_counted(self):
        with pytest.raises(KeyError) as caught:
            pandas.DataFrame({"a": [1]})["b"]
        text = text_of(caught.value)
        assert re.search(r"\(\d+ frames of libraries, the last: pandas/", text)
        assert "site-packages" not in text

    def test_a_syntax_error_shows_its_line(self):
        with pytest.raises(SyntaxError) as caught:
            compile("x = = 1", "cell", "exec")
        assert "x = = 1" in text_of(caught.value)

    def test_errors_that_misbehave_and_groups_are_told(self):
        class Mute(Exception):
            def __str__(self):
                raise RuntimeError

        assert "Mute" in text_of(Mute())
        assert "- ValueError: one" in text_of(ExceptionGroup("both", [ValueError("one"), OSError("two")]))
        assert len(text_of(ValueError("x" * 100_000))) <= 4000


class TestCode:
    def test_a_short_function_is_its_source(self):
        assert describe(inner) == Description('def inner(values):\n    return values["absent"]', "function")

    def test_a_long_one_is_its_signature_and_docstring(self):
        described = describe(asyncio.wait_for, 200)
        assert described.text.startswith("function wait_for(fut, timeout)\n")
        assert "TimeoutError" in described.text
        assert described.left_out.startswith("the source, ")

    def test_a_class_a_builtin_and_a_module_are_told(self):
        assert text_of(Guarded).startswith("@dataclass\nclass Guarded:")
        assert text_of(Path, 300).startswith("class Path(")
        assert text_of(math.sqrt) == "function sqrt(x, /)\nReturn the square root of x."
        assert text_of(len).startswith("function len(obj, /)")
        assert re.search(r"^module math\n.*\nnames: .*\bsqrt\b", text_of(math), re.DOTALL)


class TestWhatIsNotRun:
    def test_an_iterator_stays_whole(self):
        def numbers():
            yield 1

        generator = numbers()
        described = describe(generator)
        assert "was not run" in described.text
        assert described.left_out == "its items"
        assert list(generator) == [1]
        mapped = map(str, [1])
        assert "iterator" in text_of(mapped)
        assert list(mapped) == ["1"]

    def test_a_coroutine_is_not_awaited_and_a_file_not_read(self, tmp_path):
        async def fetch():
            """Nothing."""

        coroutine = fetch()
        assert text_of(coroutine).endswith("fetch (not awaited)")
        coroutine.close()
        (tmp_path / "f").write_text("content")
        with open(tmp_path / "f") as file:
            assert text_of(file) == f"open file {tmp_path / 'f'} (not read here)"
            assert file.read() == "content"

    @pytest.mark.parametrize(
        ("module", "name", "columns"),
        [
            ("dask.dataframe.core", "DataFrame", ", columns a, b"),
            ("duckdb", "DuckDBPyRelation", ", columns a, b"),
            ("pyspark.sql.dataframe", "DataFrame", ""),
            ("polars.lazyframe.frame", "LazyFrame", ""),
        ],
    )
    def test_what_is_not_computed_is_not_computed(self, module, name, columns):
        def computes(self):
            raise AssertionError("computed")

        lazy = made(module, name, columns=["a", "b"], __repr__=computes, __len__=computes, compute=computes)
        package = module.partition(".")[0]
        assert text_of(lazy) == f"{package} {name}{columns} (not computed, so its values are left out)"

    def test_no_data_library_is_imported(self):
        import subprocess

        code = (
            "import sys; from roci_nb.magic.description import describe; describe([1, object(), sys]);"
            "print({'pandas', 'numpy', 'polars', 'matplotlib', 'PIL', 'torch'} & set(sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "set()"


class TestObjectsThatSpeak:
    def test_an_object_may_say_it_itself(self):
        class Speaking:
            def __llm__(self):
                return "I am fine"

        assert describe(Speaking()) == Description("I am fine", "Speaking")
        assert text_of(Speaking).startswith("class Speaking")

    def test_its_words_keep_within_the_budget(self):
        class Talkative(dict):
            def __llm__(self):
                return "word " * 10_000

        described = describe(Talkative(), 100)
        assert len(described.text) <= 400
        assert described.left_out == "49,634 more characters"

    def test_where_it_fails_a_note_says_so_and_the_value_is_told(self):
        class Failing(dict):
            def __llm__(self):
                raise ValueError("not\ntoday")

        class Wrong(dict):
            def __llm__(self):
                return 3

        assert text_of(Failing(a=1)) == '(its __llm__ raised ValueError: not today)\n{"a": 1}'
        assert text_of(Wrong(a=1)) == '(its __llm__ gave int instead of text)\n{"a": 1}'


class TestAnythingElse:
    def test_an_object_is_its_repr_within_the_budget(self):
        long = made("somewhere", "Thing", __repr__=lambda self: "r" * 10_000)
        described = describe(long, 100)
        assert len(described.text) <= 400
        assert described.text.endswith(f"… {described.left_out} left out")

    @pytest.mark.parametrize("container", [lambda x: x, lambda x: [x], lambda x: {"a": (x,)}])
    def test_a_repr_that_raises_is_said_to(self, container):
        class Broken:
            def __repr__(self):
                raise ValueError("no")

        assert "<Broken, whose repr raises ValueError>" in text_of(container(Broken()))

    def test_objects_whose_every_attribute_raises_are_told(self):
        class Hostile:
            def __getattr__(self, name):
                raise RuntimeError(name)

            def __repr__(self):
                return "hostile"

        assert text_of(Hostile()) == "hostile"
        assert text_of([Hostile()]) == "[hostile]"

    def test_a_list_that_lies_about_itself_is_told(self):
        class Lying(list):
            def __iter__(self):
                raise RuntimeError

            def __repr__(self):
                return "Lying()"

        assert text_of(Lying([1])) == "Lying()"

    def test_a_number_too_long_to_be_written_is_told(self):
        assert text_of(10**10_000) == "<int, whose repr raises ValueError>"


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside) | st.tuples(inside) | st.frozensets(st.text()),
    max_leaves=200,
)


@given(st.lists(NESTED) | st.dictionaries(st.text(), NESTED), st.integers(20, 200))
def test_any_container_keeps_within_its_budget_and_says_what_is_left_out(value, budget):
    described = describe(value, budget)
    assert len(described.text) <= 4 * budget
    assert bool(described.left_out) == ("…" in described.text) or "…" in repr(value)
