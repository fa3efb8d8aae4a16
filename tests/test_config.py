import pytest

from roci_nb.config import RociConfig, Source
from roci_nb.errors import ConfigError
from roci_nb.types.base_url import BaseUrl
from roci_nb.types.settings import GenerationSettings

VARIABLES = (
    "OLLAMA_BASE_URL OLLAMA_HOST LMSTUDIO_BASE_URL OPENAI_BASE_URL OPENAI_API_KEY OPENAI_COMPAT_BASE_URL "
    "OPENAI_COMPAT_API_KEY OLLAMA_API_KEY LM_API_TOKEN ROCI_MODEL ROCI_LOCAL_ONLY"
).split()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_guides_defaults_hold_where_nothing_is_set(folder):
    config = RociConfig.from_env()
    assert config.ollama_base_url == "http://localhost:11434"
    assert config.lmstudio_base_url == "http://localhost:1234"
    assert str(config.base_url("ollama")) == "http://localhost:11434"
    assert config.model is None


def test_the_guides_variables_are_read(folder, monkeypatch):
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://box:1")
    monkeypatch.setenv("OLLAMA_HOST", "other:2")
    monkeypatch.setenv("LMSTUDIO_BASE_URL", "http://box:3/v1")
    monkeypatch.setenv("ROCI_MODEL", "ollama:gpt-oss:20b")
    config = RociConfig.from_env()
    assert str(config.base_url("ollama")) == "http://box:1"
    assert str(config.base_url("lmstudio")) == "http://box:3"
    assert config.model == "ollama:gpt-oss:20b"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("box", "http://box:11434"),
        ("http://box", "http://box"),
        ("https://box", "https://box"),
        ("[::]:1", "http://[::1]:1"),
        (":56789", "http://127.0.0.1:56789"),
        ('"box:5"', "http://box:5"),
    ],
)
def test_ollama_host_follows_its_own_rules(folder, monkeypatch, written, meant):
    monkeypatch.setenv("OLLAMA_HOST", written)
    assert str(RociConfig.from_env().base_url("ollama")) == meant


def test_empty_means_unset(folder, monkeypatch):
    monkeypatch.setenv("OLLAMA_BASE_URL", " ")
    monkeypatch.setenv("OLLAMA_HOST", "box:2")
    monkeypatch.setenv("OPENAI_API_KEY", "")
    config = RociConfig.from_env()
    assert str(config.base_url("ollama")) == "http://box:2"
    assert config.openai_api_key is None


def test_pyproject_wins_over_environment_over_dotenv(folder, monkeypatch):
    (folder / ".env").write_text(
        "ROCI_MODEL=ollama:dotenv\nOLLAMA_BASE_URL=http://dotenv:1\nLMSTUDIO_BASE_URL=http://dotenv:2\n"
    )
    monkeypatch.setenv("ROCI_MODEL", "ollama:environment")
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://environment:1")
    (folder / "pyproject.toml").write_text('[tool.roci_nb]\nmodel = "ollama:project"\nsettings = {temperature = 0.5}\n')
    config = RociConfig.from_env()
    assert config.model == "ollama:project"
    assert str(config.base_url("ollama")) == "http://environment:1"
    assert str(config.base_url("lmstudio")) == "http://dotenv:2"
    assert config.settings == GenerationSettings(temperature=0.5)
    assert [config.source(name) for name in ("model", "ollama_base_url", "lmstudio_base_url", "openai_base_url")] == [
        Source.PYPROJECT,
        Source.ENVIRONMENT,
        Source.DOTENV,
        Source.BUILT_IN,
    ]


def test_files_above_the_current_folder_are_found(folder, monkeypatch):
    (folder / ".env").write_text("export ROCI_MODEL='ollama:above' # comment\n")
    below = folder / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert RociConfig.from_env().model == "ollama:above"


def test_reading_dotenv_leaves_the_environment_alone(folder, monkeypatch):
    import os

    (folder / ".env").write_text("ROCI_MODEL=ollama:x\n")
    RociConfig.from_env()
    assert "ROCI_MODEL" not in os.environ


def test_keys_show_nowhere(folder, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-topsecret")
    config = RociConfig.from_env()
    assert "topsecret" not in repr(config) + str(config)
    assert config.openai_api_key.get_secret_value() == "sk-topsecret"


def test_a_key_goes_to_its_own_services_host(folder, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    config = RociConfig.from_env()
    openai = BaseUrl.parse("https://api.openai.com/v1")
    assert config.key_for("openai", openai).key.get_secret_value() == "sk-1"
    assert config.key_for("openai", BaseUrl.parse("http://api.openai.com")).key is None


def test_a_key_goes_to_an_address_from_its_own_source_or_a_more_trusted_one(folder, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://box:8080/v1")
    box = BaseUrl.parse("http://box:8080")
    assert RociConfig.from_env().key_for("openai-compatible", box).key is not None
    monkeypatch.delenv("OPENAI_API_KEY")
    (folder / ".env").write_text("OPENAI_API_KEY=sk-1\n")
    assert RociConfig.from_env().key_for("openai-compatible", box).key is not None


@pytest.mark.parametrize("file", [".env", "pyproject.toml"])
def test_a_folder_from_elsewhere_cannot_send_the_users_key_to_its_own_server(folder, monkeypatch, file):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    text = {
        ".env": "OPENAI_BASE_URL=http://evil.example\n",
        "pyproject.toml": '[tool.roci_nb]\nopenai_compatible_base_url = "http://evil.example"\nopenai_base_url = "http://evil.example"\n',
    }
    (folder / file).write_text(text[file])
    config = RociConfig.from_env()
    for provider in ("openai", "openai-compatible"):
        choice = config.key_for(provider, BaseUrl.parse("http://evil.example"))
        assert choice.key is None
        assert file in choice.withheld


def test_a_key_is_withheld_from_any_other_host(folder, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    choice = RociConfig.from_env().key_for("openai-compatible", BaseUrl.parse("http://elsewhere:1"))
    assert choice.key is None
    assert "pass api_key=" in choice.withheld


@pytest.mark.parametrize(
    ("named", "provider", "sent"),
    [
        ({"OPENAI_API_KEY": "sk-1"}, "openai-compatible", False),
        ({"OPENAI_API_KEY": "sk-1", "OPENAI_COMPAT_BASE_URL": "http://box:8080"}, "openai-compatible", False),
        ({"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": "http://box:8080"}, "openai-compatible", True),
        ({"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": "http://box:8080"}, "openai", True),
        ({"OPENAI_API_KEY": "sk-1"}, "openai", True),
        ({"OPENAI_COMPAT_API_KEY": "sk-1"}, "openai-compatible", True),
        ({"OPENAI_COMPAT_API_KEY": "sk-1", "OPENAI_COMPAT_BASE_URL": "http://box:8080"}, "openai-compatible", True),
    ],
)
def test_openais_key_goes_to_openais_own_address_only(folder, monkeypatch, named, provider, sent):
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    config = RociConfig.from_env()
    choice = config.key_for(provider, config.base_url(provider))
    assert (choice.key is not None) == sent
    assert (choice.withheld is None) == sent
    if not sent:
        assert choice.withheld.startswith("OPENAI_API_KEY is for OpenAI: pass api_key=")


def test_a_withheld_key_is_called_by_the_variable_that_it_stands_in(folder, monkeypatch):
    elsewhere = BaseUrl.parse("http://elsewhere:1")
    for name in ("OPENAI_API_KEY", "OPENAI_COMPAT_API_KEY"):
        monkeypatch.setenv(name, "sk-1")
        choice = RociConfig.from_env().key_for("openai-compatible", elsewhere)
        assert choice.withheld == f"the key of {name} belongs to another host: pass api_key="


@pytest.mark.parametrize("wrong", [b"topsecret", 3, ["topsecret"]])
def test_a_key_of_the_wrong_type_is_refused_and_not_shown(wrong):
    with pytest.raises(ConfigError, match="openai_api_key must be a text$") as caught:
        RociConfig(openai_api_key=wrong)
    assert "topsecret" not in str(caught.value)


def test_a_pyproject_whose_tool_is_no_table_says_nothing_of_us(folder):
    (folder / "pyproject.toml").write_text("tool = 3\n")
    assert RociConfig.from_env() == RociConfig()


def test_local_only_can_be_asked_for_and_not_taken_back_by_a_file(folder, monkeypatch):
    (folder / "pyproject.toml").write_text("[tool.roci_nb]\nlocal_only = false\n")
    assert RociConfig.from_env().local_only is False
    monkeypatch.setenv("ROCI_LOCAL_ONLY", "1")
    assert RociConfig.from_env().local_only is True


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[tool.roci_nb]\nmodle = 'x'\n", "unknown 'modle': did you mean model?"),
        ("[tool.roci_nb]\nopenai_api_key = 'sk-topsecret'\n", "a key belongs into the environment"),
        ("[tool.roci_nb]\nsettings = {temperature = 'hot'}\n", "temperature must be a number"),
        ("[tool.roci_nb\n", "can't be read"),
        ("tool.roci_nb = 3\n", "must be a table"),
    ],
)
def test_a_wrong_file_is_told_in_one_line_that_names_it(folder, text, told):
    (folder / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        RociConfig.from_env()
    message = str(caught.value)
    assert told in message
    assert str(folder / "pyproject.toml") in message
    assert "topsecret" not in message
    assert "\n" not in message


def test_a_wrong_variable_is_told_with_its_name(folder, monkeypatch):
    monkeypatch.setenv("OLLAMA_BASE_URL", "ftp://box")
    with pytest.raises(ConfigError, match="OLLAMA_BASE_URL in the environment"):
        RociConfig.from_env().base_url("ollama")
    monkeypatch.setenv("ROCI_LOCAL_ONLY", "perhaps")
    with pytest.raises(ConfigError, match="ROCI_LOCAL_ONLY in the environment must be 1 or 0"):
        RociConfig.from_env()


def test_code_says_what_it_wants():
    config = RociConfig(ollama_base_url="http://box:1", openai_api_key="sk-topsecret")
    assert config.source("ollama_base_url") is Source.CODE
    assert "topsecret" not in repr(config)
