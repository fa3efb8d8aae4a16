import pytest

from roci_nb.errors import ConfigError
from roci_nb.providers.discovery import FoundServer
from roci_nb.session.choice import choose_model
from roci_nb.types.base_url import BaseUrl
from roci_nb.types.model_info import ModelInfo, ModelList
from roci_nb.types.models import LanguageModel

URL = BaseUrl.parse("http://localhost:11434")


def model(selector: str, **facts) -> ModelInfo:
    return ModelInfo(model=LanguageModel.parse(selector), **facts)


def server(*models: ModelInfo, name: str = "Ollama") -> FoundServer:
    return FoundServer(name, URL, ModelList(models))


def test_the_only_loaded_model_is_chosen_and_said():
    choice = choose_model([server(model("ollama:a", loaded=True), model("ollama:b", loaded=False))])
    assert str(choice) == "ollama:a · the only model loaded · keep: %roci use ollama:a"


def test_the_only_installed_model_is_chosen_over_all_servers():
    choice = choose_model([server(), server(model("lmstudio:b", loaded=False), name="LM Studio")])
    assert (choice.selector, choice.reason) == ("lmstudio:b", "the only model installed")


@pytest.mark.parametrize("loaded", [True, False])
def test_several_are_a_list_to_choose_from(loaded):
    models = [model(f"ollama:m{n}", loaded=loaded) for n in range(10)]
    with pytest.raises(ConfigError, match=r"choose one: %roci use ollama:m0 \| .*and 2 more"):
        choose_model([server(*models)])


@pytest.mark.parametrize(
    "elsewhere",
    [
        model("ollama:gpt-oss:120b-cloud"),
        model("ollama:gpt-oss:cloud"),
        model("ollama:x", remote_host="https://ollama.com"),
        model("ollama:nomic-embed-text"),
        model("ollama:minilm", family="bert"),
        model("lmstudio:e", capabilities=frozenset({"embedding"})),
    ],
)
def test_what_runs_elsewhere_or_can_not_answer_is_never_chosen(elsewhere):
    with pytest.raises(ConfigError, match="has none: %roci use"):
        choose_model([server(elsewhere)])
    assert choose_model([server(elsewhere, model("ollama:a"))]).selector == "ollama:a"


def test_without_a_server_the_error_says_who_was_asked_and_what_to_do():
    with pytest.raises(ConfigError) as caught:
        choose_model([FoundServer("Ollama", URL, None)])
    message = str(caught.value)
    assert "Ollama at http://localhost:11434" in message
    assert message.endswith("%%roci embedded:smollm2-135m")
