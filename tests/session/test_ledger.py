import pytest

from roci_nb.errors import ConfigError
from roci_nb.session.ledger import ENTRIES_KEPT, LedgerEntry, UsageLedger
from roci_nb.types.usage import Timing, Usage


def entry(model: str = "a", cell: str = "In[1]", usage: Usage | None = None) -> LedgerEntry:
    return LedgerEntry(cell, model, "", usage if usage is not None else Usage(7, 2), Timing(total_s=1.5))


def test_tokens_add_up_by_model_cell_and_in_all():
    ledger = UsageLedger()
    for one in (entry(), entry(cell="In[2]"), entry("b")):
        ledger.add(one)
    by_model = ledger.by("model")
    assert (by_model.totals["a"].output_tokens, by_model.totals["b"].output_tokens) == (4, 2)
    assert (by_model.total.answers, by_model.total.input_tokens, by_model.total.seconds) == (3, 21, 4.5)
    assert set(ledger.by("cell").totals) == {"In[1]", "In[2]"}
    assert "in all" in str(ledger.by("model"))


def test_a_count_that_is_unknown_makes_the_sum_at_least_that():
    ledger = UsageLedger()
    ledger.add(entry())
    ledger.add(entry(usage=Usage()))
    assert "≥2" in str(ledger.by("model"))


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
