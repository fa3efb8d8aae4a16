import pytest

from roci_nb.errors import (
    ContextOverflow,
    ModelNotFound,
    RateLimited,
    ServerError,
    Unauthorized,
    Unsupported,
)
from roci_nb.providers.server_errors import Addressee, error_from_reply

WHO = Addressee("the server at http://box", "phi4", "Start it", "Choose one that it has", key_hint="pass api_key=…")


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (
            401,
            '{"error":{"message":"Invalid API Key","type":"authentication_error","code":401}}',
            Unauthorized,
            "pass api_key=",
        ),
        (403, "", Unauthorized, "host check"),
        (404, '{"error":"model \'phi4\' not found"}', ModelNotFound, "no model 'phi4'"),
        (
            404,
            '{"error":{"message":"The model `phi4` does not exist.","code":"model_not_found"}}',
            ModelNotFound,
            "no model",
        ),
        (
            404,
            '{"error":{"message":"File Not Found","type":"not_found_error","code":404}}',
            ServerError,
            "is the address right",
        ),
        (404, "<html><body>nginx</body></html>", ServerError, "is the address right"),
        (429, '{"error":{"message":"slow down"}}', RateLimited, "wait 7 s"),
        (503, '{"error":"server busy, please try again.  maximum pending requests exceeded"}', RateLimited, "busy"),
        (500, '{"error":{"code":500,"message":"image input is not supported - hint: mmproj"}}', Unsupported, "images"),
        (400, '{"error":"registry.ollama.ai/library/x:latest does not support tools"}', Unsupported, "tools"),
        (400, '{"error":"\\"x\\" does not support thinking"}', Unsupported, "thinking"),
        (
            500,
            '{"error":{"code":500,"message":"JSON schema error at #: unrecognized type wrong"}}',
            Unsupported,
            "schema",
        ),
        (500, '{"error":{"message":"CUDA error"}}', ServerError, "500: CUDA error"),
        (502, "<html><h1>Bad Gateway</h1></html>", ServerError, "Bad Gateway"),
        (302, "", ServerError, "redirects to http://there"),
        (400, '{"detail":[{"msg":"field required"}]}', ServerError, "field required"),
        (None, '{"error":{"message":"boom"}}', ServerError, "boom"),
    ],
)
def test_a_refusal_becomes_our_error_and_says_what_to_do(status, body, kind, told):
    error = error_from_reply(status, body.encode(), WHO, retry_after="7", location="http://there")
    assert type(error) is kind
    assert told in str(error)
    assert "\n" not in str(error)
    assert error.status == status
    assert error.body == body


@pytest.mark.parametrize(
    ("body", "prompt", "window"),
    [
        (
            '{"error":{"code":400,"message":"request (40484 tokens) exceeds the available context size (1024 tokens), try '
            'increasing it","type":"exceed_context_size_error","n_prompt_tokens":40484,"n_ctx":1024}}',
            40484,
            1024,
        ),
        (
            '{"error":"{\\"error\\":{\\"code\\":400,\\"message\\":\\"too long\\",\\"type\\":\\"exceed_context_size_error\\",'
            '\\"n_prompt_tokens\\":9,\\"n_ctx\\":4}}\\nout of memory"}',
            9,
            4,
        ),
        ('{"error":"the input length exceeds the context length"}', None, None),
        (
            '{"error":"Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with '
            'context length of only 4096 tokens, which is not enough."}',
            5000,
            4096,
        ),
        ('{"error":"Cannot truncate prompt with n_keep (12) >= n_ctx (10)"}', 12, 10),
        (
            '{"object":"error","message":"This model\'s maximum context length is 4096 tokens. However, you requested 5000 '
            'tokens (4900 in the messages)."}',
            5000,
            4096,
        ),
        ('{"error":{"message":"too long","code":"context_length_exceeded"}}', None, None),
    ],
)
def test_an_overflow_is_told_with_its_numbers_in_every_servers_words(body, prompt, window):
    error = error_from_reply(400, body.encode(), WHO)
    assert type(error) is ContextOverflow
    assert (error.prompt_tokens, error.window) == (prompt, window)
    assert str(error).endswith("load the model with a larger window")
