"""The panel through its widgets' own values: what a front end would set, and what it would show."""

import re
import threading

import pytest
from ipywidgets.widgets.widget import _instances

from roci_nb.config import RociConfig
from roci_nb.session.command import Command
from roci_nb.types.settings import GenerationSettings
from roci_nb.widgets.controls import SETTING_CONTROLS
from roci_nb.widgets.settings_panel import SettingsPanel
from roci_nb.widgets.shown import all_widgets
from tests.servers.lmstudio import LmStudio
from tests.servers.scripted import json_reply
from tests.servers.scripted_ollama import ScriptedOllama
from tests.widgets.waiting import wait_until


@pytest.fixture
def open_panel(session, scripted):  # the server goes after the panels that ask it
    opened = []

    def make(of=None) -> SettingsPanel:
        panel = SettingsPanel(of or session)
        assert panel.widget is not None
        opened.append(panel)
        return panel

    yield make
    for panel in opened:
        panel.close()
    wait_until(lambda: not any(panel.is_busy for panel in opened))


def text_of(widget) -> str:
    return re.sub(r"<[^>]+>", " ", widget.value).strip()


def origin(panel, name: str) -> str:
    return re.search(r"<small>(.*)</small>", panel.rows[name].name.value)[1]


def test_every_setting_has_a_control_that_is_as_the_server_has_it(session, open_panel):
    panel = open_panel()
    assert {control.name for control in SETTING_CONTROLS} == {*GenerationSettings.model_fields} - {"extra"}
    for control in SETTING_CONTROLS:
        assert origin(panel, control.name) == "as the server has it"
        assert panel.rows[control.name].reset.disabled
    assert session.settings.in_force() == {}


def test_a_slider_that_is_moved_sets_and_says_so_and_one_button_takes_it_back(session, open_panel):
    row = open_panel().rows["temperature"]
    row.slider.value = 0.3
    assert session.settings.in_force() == {"temperature": 0.3}
    assert row.field.value == "0.3"
    assert "set · panel" in row.name.value
    assert "roci-set" in row.box._dom_classes
    row.reset.click()
    assert session.settings.in_force() == {}
    assert row.field.value == ""
    assert "roci-set" not in row.box._dom_classes


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("temperature", "3.5", 3.5),
        ("top_k", "40", 40),
        ("num_ctx", "16384", 16384),
        ("max_tokens", " 100 ", 100),
        ("seed", "7", 7),
        ("keep_alive", "5m", "5m"),
        ("keep_alive", "-1", -1),
        ("reasoning_effort", "low", "low"),
        ("user", "12", "12"),
        ("stop_sequences", [r"\n\n", r"a\\b", "END"], ("\n\n", "a\\b", "END")),
    ],
)
def test_what_is_typed_or_chosen_is_set(session, open_panel, name, typed, value):
    row = open_panel().rows[name]
    row.field.value = typed
    assert session.settings.in_force() == {name: value}
    row.field.value = [] if name == "stop_sequences" else ""
    assert session.settings.in_force() == {}


def test_stops_are_shown_as_they_are_typed(session, open_panel):
    panel = open_panel()
    session.set({"stop_sequences": '["\\n", "a\\\\nb"]'})
    shown = panel.rows["stop_sequences"].field.value
    assert shown == [r"\n", r"a\\nb"]
    panel.rows["stop_sequences"].field.value = [*shown, "x"]
    assert session.settings.stop_sequences == ("\n", "a\\nb", "x")


def test_a_wrong_value_is_told_in_its_row_and_changes_nothing(session, open_panel):
    row = open_panel().rows["top_p"]
    row.field.value = "0.9"
    row.field.value = "7"
    assert text_of(row.note) == "top_p must be a number from 0 to 1, not 7"
    assert row.field.value == "7"
    assert session.settings.top_p == 0.9
    row.field.value = "0.9"
    assert text_of(row.note) == ""
    row.field.value = "many"
    row.reset.click()
    assert (row.field.value, text_of(row.note), session.settings.top_p) == ("", "", None)


def test_the_dice_rolls_a_seed(session, open_panel):
    row = open_panel().rows["seed"]
    row.dice.click()
    assert row.field.value == str(session.settings.seed)


def test_the_lines_settings_show_and_two_panels_stay_equal(session, open_panel):
    one, other = open_panel(), open_panel()
    changes = []
    session.observe(changes.append, names="settings")
    session.set({"temperature": "0.3", "num_ctx": "4096"})
    assert [panel.rows["temperature"].slider.value for panel in (one, other)] == [0.3, 0.3]
    assert origin(one, "temperature") == "set · session"
    one.rows["temperature"].slider.value = 0.6
    assert other.rows["temperature"].field.value == "0.6"
    assert origin(other, "temperature") == "set · panel"
    assert len(changes) == 2
    session.set({"temperature": "default"})
    assert (one.rows["temperature"].field.value, other.rows["temperature"].field.value) == ("", "")
    session.set({"system": "Be brief."})
    assert other.rows["system"].field.value == "Be brief."
    other.rows["system"].field.value = ""
    assert session.options.system is None


def test_the_cells_line_wins_and_the_footer_will_name_the_panel(session, open_panel):
    panel = open_panel()
    panel.rows["temperature"].slider.value = 0.3
    panel.rows["top_k"].field.value = "5"
    settings, sources = session.layered(RociConfig(), Command("", settings=GenerationSettings(temperature=1.5)))
    assert (settings.temperature, sources["temperature"]) == (1.5, "line")
    assert (settings.top_k, sources["top_k"]) == (5, "panel")


def test_changes_from_two_threads_end_the_same_in_both_panels(session, open_panel):
    panels = [open_panel(), open_panel()]

    def drag(panel, name: str) -> None:
        for step in range(100):
            panel.rows[name].slider.value = step / 100

    threads = [
        threading.Thread(target=drag, args=(panel, name))
        for panel, name in zip(panels, ("top_p", "min_p"), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert (session.settings.top_p, session.settings.min_p) == (0.99, 0.99)
    for panel in panels:
        assert (panel.rows["top_p"].field.value, panel.rows["min_p"].field.value) == ("0.99", "0.99")


def test_a_preset_holds_below_what_is_set_by_itself(session, open_panel):
    panel = open_panel()
    panel.rows["temperature"].slider.value = 1.9
    panel.rows["seed"].field.value = "1"
    panel.rows["preset"].field.value = "code"
    assert session.options.preset == "code"
    assert session.settings.in_force() == {"seed": 1}
    assert panel.rows["temperature"].field.placeholder == "0.3"
    assert origin(panel, "temperature") == "preset code"
    panel.rows["temperature"].slider.value = 0.5
    assert text_of(panel.rows["preset"].note) == "temperature is set over it"
    panel.rows["preset"].reset.click()
    assert session.options.preset is None
    assert session.settings.temperature == 0.5


def test_a_preset_that_harms_gpt_oss_says_so(session, open_panel):
    panel = open_panel()
    session.model = "embedded:gpt-oss-nano"
    panel.rows["preset"].field.value = "balanced"
    assert "repeat_penalty 1.1 disturbs gpt-oss" in text_of(panel.rows["preset"].note)
    panel.rows["preset"].field.value = "openai"
    assert text_of(panel.rows["preset"].note) == ""


def test_what_the_server_cannot_take_is_greyed_with_the_reason(session, open_panel):
    panel = open_panel()
    panel.model.menu.options = [*panel.model.menu.options, ("nano", "embedded:gpt-oss-nano")]
    panel.model.menu.value = "embedded:gpt-oss-nano"
    assert session.model == "embedded:gpt-oss-nano"
    keep_alive = panel.rows["keep_alive"]
    wait_until(lambda: keep_alive.field.disabled)
    assert text_of(keep_alive.note) == "how long the model stays loaded is not this server's to say"
    assert [value for _, value in panel.rows["reasoning_effort"].field.options] == ["", "low", "medium", "high"]
    session.model = None
    wait_until(lambda: not keep_alive.field.disabled)
    assert text_of(keep_alive.note) == ""


def test_ollamas_models_are_listed_with_their_state_and_a_new_window_says_what_it_costs(
    session, open_panel, scripted, monkeypatch
):
    ollama = ScriptedOllama().install(scripted)
    ollama.by_another_client(num_ctx=8192)
    monkeypatch.setenv("OLLAMA_BASE_URL", scripted.url)
    session.model = "ollama:gpt-oss:20b"
    panel = open_panel()
    wait_until(lambda: "8k" in text_of(panel.model.note) and "Ollama answers" in text_of(panel.model.note))
    labels = {value: label for label, value in panel.model.menu.options}
    assert "● loaded" in labels["ollama:gpt-oss:20b"]
    row = panel.rows["num_ctx"]
    wait_until(lambda: text_of(row.note) == "loaded with 8,192")
    row.field.value = "16384"
    assert text_of(row.note) == "loaded with 8,192: the model will be loaded again with the next request"
    assert text_of(panel.rows["user"].note) == "Ollama has no such field"
    assert panel.rows["user"].field.disabled
    assert not scripted.asked("/api/chat")
    assert ollama.loads == []


def test_lm_studio_takes_no_min_p_unwarned_and_its_own_efforts(session, open_panel, scripted, monkeypatch):
    LmStudio().serve(scripted)
    monkeypatch.setenv("LMSTUDIO_BASE_URL", scripted.url)
    panel = open_panel()
    wait_until(lambda: any(value.startswith("lmstudio:") for _, value in panel.model.menu.options))
    panel.model.menu.value = next(value for _, value in panel.model.menu.options if value.startswith("lmstudio:"))
    wait_until(lambda: panel.rows["user"].field.disabled)
    assert text_of(panel.rows["user"].note) == "LM Studio knows no users"
    assert not [request for request in scripted.requests if request.method == "POST"]


def test_a_model_that_is_gone_and_a_server_that_is_dead_are_told_in_one_line(
    session, open_panel, scripted, monkeypatch
):
    monkeypatch.setenv("OLLAMA_BASE_URL", scripted.url)
    ScriptedOllama().install(scripted)
    scripted.routes["POST /api/show"] = json_reply({"error": "model 'gone' not found"}, 404)
    session.model = "ollama:gone"
    panel = open_panel()
    wait_until(lambda: "gone" in panel.model.note.value and "⚠" in panel.model.note.value)
    session.model = "embedded:/nowhere/model.gguf"
    wait_until(lambda: "⚠" in panel.model.note.value)
    assert "\n" not in text_of(panel.model.note)
    panel.rows["temperature"].slider.value = 0.5
    assert session.settings.temperature == 0.5
    session.model = "lmstudio:phi4"
    wait_until(lambda: "lms server start" in panel.model.note.value)


def test_after_an_answer_the_panel_says_what_is_loaded(session, scripted, monkeypatch):
    ollama = ScriptedOllama().install(scripted)
    monkeypatch.setenv("OLLAMA_BASE_URL", scripted.url)
    session.model = "ollama:gpt-oss:20b"
    panel = SettingsPanel(session)
    assert panel.widget is not None
    wait_until(lambda: "not loaded: the next request loads it" in panel.model.note.value)
    ollama.by_another_client(num_ctx=4096)
    session.answered += 1
    wait_until(lambda: "loaded, " in panel.model.note.value)
    wait_until(lambda: any("● loaded" in label for label, _ in panel.model.menu.options))
    panel.close()
    wait_until(lambda: not panel.is_busy)


def test_closing_frees_every_channel_and_leaves_the_table(session):
    before = set(_instances)
    panel = SettingsPanel(session)
    assert panel.widget.comm is not None
    panel.rows["temperature"].slider.value = 0.3
    widgets = all_widgets(panel.widget)
    panel.close()
    assert all(widget.comm is None for widget in widgets)
    assert all(widget.layout.comm is None for widget in widgets)
    wait_until(lambda: not panel.is_busy)
    assert set(_instances) == before
    session.set({"temperature": "0.9"})
    assert "0.9" in repr(panel)
    panel.close()


def test_in_a_terminal_the_panel_is_a_table(session, capsys):
    session.set({"temperature": "0.3"})
    panel = SettingsPanel(session)
    panel._ipython_display_()
    shown = capsys.readouterr().out
    assert re.search(r"temperature +0\.3 +session", shown)
    assert panel._widget is None
