import sys
import threading

import pytest

from roci_nb.errors import ConfigError
from roci_nb.markup.strings import UNKNOWN
from roci_nb.session.ledger import ENTRIES_KEPT, LedgerEntry, UsageLedger
from roci_nb.types.usage import Timing, Usage


def entry(model: str = "a", cell: str = "In[1]", usage: Usage | None = None) -> LedgerEntry:
    return LedgerEntry(cell, model, "", usage if usage is not None else Usage(7, 2), Timing(total_s=1.5))


def test_tokens_add_up_by_model_cell_and_in_all():
    ledger = UsageLedger()
    for one in (entry(), entry(cell="In[2]"), entry("b")):
        ledger.add(one)
    by_model = ledger.by("model")
    assert (by_model.totals["a"].usage.output_tokens, by_model.totals["b"].usage.output_tokens) == (4, 2)
    assert (by_model.total.answers, by_model.total.usage.input_tokens, by_model.total.seconds) == (3, 21, 4.5)
    assert set(ledger.by("cell").totals) == {"In[1]", "In[2]"}
    assert "in all" in str(ledger.by("model"))


def test_a_count_that_is_unknown_makes_the_sum_at_least_that():
    ledger = UsageLedger()
    ledger.add(entry())
    ledger.add(entry(usage=Usage()))
    assert "≥2" in str(ledger.by("model"))


@pytest.mark.parametrize(
    ("usages", "shown"),
    [
        ([Usage()], (UNKNOWN, UNKNOWN, UNKNOWN)),
        ([Usage(None, 5)], (UNKNOWN, "5", UNKNOWN)),
        ([Usage(5, None)], ("5", UNKNOWN, UNKNOWN)),
        ([Usage(5, 6), Usage(None, 5)], ("≥5", "11", UNKNOWN)),
        ([Usage(5, 6, reasoning_tokens=3), Usage(5, 6)], ("10", "12", "≥3")),
        ([Usage(0, 0, reasoning_tokens=0)], ("0", "0", "0")),
    ],
)
def test_each_sum_says_for_itself_what_it_lacks(usages, shown):
    ledger = UsageLedger()
    for usage in usages:
        ledger.add(entry(usage=usage))
    assert ledger.total.row()[1:4] == shown


def test_an_answer_without_a_time_leaves_the_time_unknown():
    ledger = UsageLedger()
    ledger.add(LedgerEntry("c", "m", "", Usage(1, 1)))
    assert ledger.total.row()[-1] == UNKNOWN
    ledger.add(entry())
    assert ledger.total.row()[-1] == "≥1.5"


def test_a_table_stays_as_it_was_when_the_ledger_goes_on():
    ledger = UsageLedger()
    ledger.add(entry())
    table = ledger.by("model")
    before = str(table)
    ledger.add(entry())
    assert str(table) == before


def test_answers_may_end_in_several_threads_at_once():
    ledger = UsageLedger()

    def add_many():
        for _ in range(300):
            ledger.add(entry())

    threads = [threading.Thread(target=add_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.total.answers == ledger.by("cell").totals["In[1]"].answers == 1200
    assert ledger.total.usage.output_tokens == 2400


def test_without_pandas_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)  # as Python notes a package that is not there
    with pytest.raises(ConfigError, match="pip install pandas"):
        UsageLedger().to_dataframe()


def test_another_grouping_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean model"):
        UsageLedger().by("modell")


def test_entries_are_bounded_and_totals_are_not():
    ledger = UsageLedger()
    for _ in range(ENTRIES_KEPT + 10):
        ledger.add(entry())
    assert len(ledger.entries) == ENTRIES_KEPT
    assert ledger.total.answers == ENTRIES_KEPT + 10


def test_it_is_a_dataframe_where_pandas_is():
    ledger = UsageLedger()
    ledger.add(entry())
    assert list(ledger.to_dataframe()["output_tokens"]) == [2]
