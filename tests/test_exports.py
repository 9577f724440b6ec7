"""The public names: all there, documented, and loaded no earlier than needed."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys

import pytest

import nai_trio
import nai_trio.protocol
import nai_trio.transports

CORE = {
    *("APIKey", "Chunk", "FinalChunk", "Frame", "HTTPExchange", "ImageExchange", "IntermediateChunk", "Limits"),
    *("MsgpackDecoder", "Request", "ResponseHead", "RetryChunk", "SSEDecoder", "ServerSentEvent", "UnknownChunk"),
    "json_request",
}
CONTRACT = {
    *("NovelAI", "IntermediateChunk", "FinalChunk", "RetryChunk", "UnknownChunk", "ImageParams", "Timeouts", "Retry"),
    *("Limits", "NovelAIError", "MissingAPIKeyError", "InvalidParamsError", "HTTPStatusError", "InvalidRequestError"),
    *("AuthenticationError", "PaymentRequiredError", "NotFoundError", "ConflictError", "RateLimitError"),
    *("ConcurrencyLockedError", "ServerError", "NetworkError", "ConnectError", "NetworkTimeout", "StreamInterrupted"),
    *("ProtocolError", "LimitExceeded", "GenerationError"),
}


def loaded_after(code: str, modules: list[str]) -> set[str]:
    """Which of these modules a fresh interpreter has loaded after running the code; one that nobody measures."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    program = f"import sys, json\n{code}\nprint(json.dumps([m for m in {modules!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == ""
    return set(json.loads(done.stdout))


def test_the_contracts_names_are_public() -> None:
    assert set(nai_trio.__all__) >= CONTRACT
    assert set(nai_trio.protocol.__all__) >= CORE


@pytest.mark.parametrize(
    "module", [nai_trio, nai_trio.protocol, nai_trio.transports], ids=lambda module: module.__name__
)
def test_public_names_are_sorted_once_and_resolve(module: object) -> None:
    names = module.__all__  # type: ignore[attr-defined]
    assert len(names) == len(set(names))
    for name in names:
        assert getattr(module, name) is not None
        assert name in dir(module)


@pytest.mark.parametrize("module", [nai_trio, nai_trio.transports], ids=lambda module: module.__name__)
def test_a_name_is_found_where_it_is_defined_on_first_use(module: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(module.__all__) - {"__version__"}:  # type: ignore[attr-defined]
        known = getattr(module, name)
        monkeypatch.delitem(vars(module), name)
        assert getattr(module, name) is known
        assert vars(module)[name] is known


def own_members(kind: type) -> list[str]:
    return [name for name, member in vars(kind).items() if not name.startswith("_") and callable(member)]


@pytest.mark.parametrize("module", [nai_trio, nai_trio.protocol], ids=lambda module: module.__name__)
def test_public_classes_and_their_methods_are_documented(module: object) -> None:
    public = [getattr(module, name) for name in module.__all__]  # type: ignore[attr-defined]
    for value in public:
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, value
    classes = [value for value in public if inspect.isclass(value)]
    assert [
        f"{kind.__name__}.{name}"
        for kind in classes
        for name in own_members(kind)
        if not inspect.getdoc(getattr(kind, name))
    ] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    for module in (nai_trio, nai_trio.transports):
        with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute 'Novel'"):
            module.Novel  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ["trio", "h11", "msgpack", "attrs", "attr", "cattrs", "asyncio", "ssl", "socket", "nai_trio.protocol"]
    assert loaded_after("import nai_trio; nai_trio.__version__; dir(nai_trio)", heavy) == set()


RUNTIMES = ["trio", "trio_websocket", "asyncio", "socket", "ssl", "selectors", "cattrs", "nai_trio.transport"]
RUNTIMES += ["nai_trio.client", "nai_trio.stream", "nai_trio.transports"]


@pytest.mark.parametrize(
    "code",
    [
        "import nai_trio.protocol",
        "import nai_trio.errors, nai_trio.options",
        "from nai_trio import GenerationError, FinalChunk, Limits, Timeouts, Retry",
        "from nai_trio.protocol import SSEDecoder; SSEDecoder().feed(b'data:a\\n\\n')",
    ],
)
def test_the_core_loads_no_runtime_and_no_socket(code: str) -> None:
    assert loaded_after(code, RUNTIMES) == set()


def test_a_whole_generation_loads_no_runtime() -> None:
    code = (
        "from nai_trio import ImageParams\n"
        "from nai_trio.protocol import ImageExchange\n"
        "run = ImageExchange(ImageParams('1girl', size=(64, 64)), api_key='k', host='h')\n"
        "run.data_to_send()\n"
        "run.receive_data(b'HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\n\\r\\n')\n"
    )
    assert loaded_after(code, ["trio", "asyncio", "ssl", "nai_trio.client", "nai_trio.transport"]) == set()


def test_the_names_that_need_trio_load_it_on_first_use() -> None:
    assert loaded_after("from nai_trio import NovelAI", ["trio", "nai_trio.client"]) == {"trio", "nai_trio.client"}
