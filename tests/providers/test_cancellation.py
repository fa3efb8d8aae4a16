import asyncio
import gc
import warnings

import httpx
import pytest

from roci_nb.providers.cancellation import cancelled_with_care

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLIENT = {"trust_env": False, "limits": httpx.Limits(max_keepalive_connections=20, keepalive_expiry=0.01)}


async def serve() -> tuple[asyncio.Server, str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(OK)
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def unclosed_after_a_cancellation(steps: int) -> list[str]:
    """Cancel a request, ``steps`` turns of the loop after its start, while its pool has connections to let go."""
    servers = [await serve() for _ in range(5)]
    async with httpx.AsyncClient(**CLIENT) as client:
        await asyncio.gather(*(client.get(url) for _, url in servers))
        await asyncio.sleep(0.05)
        task = asyncio.ensure_future(cancelled_with_care(lambda: client.get(servers[0][1]), httpx.Response.aclose))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
    for server, _ in servers:
        server.close()
    await asyncio.sleep(0.05)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gc.collect()
    return [str(warning.message) for warning in caught if "unclosed" in str(warning.message)]


@pytest.mark.parametrize("steps", range(8))
def test_a_cancelled_request_loses_no_connection(steps):
    assert asyncio.run(unclosed_after_a_cancellation(steps)) == []


def test_what_came_in_spite_of_the_cancellation_is_let_go():
    let_go: list[str] = []

    async def main() -> None:
        came = asyncio.Event()

        async def call() -> str:
            came.set()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(60)
            return "a response"

        async def close(response: str) -> None:
            let_go.append(response)

        task = asyncio.ensure_future(cancelled_with_care(call, close))
        await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert let_go == ["a response"]


def test_errors_and_results_pass():
    async def close(response: str) -> None:
        raise AssertionError

    async def fail() -> str:
        raise httpx.ConnectError("nothing there")

    async def give() -> str:
        return "a response"

    assert asyncio.run(cancelled_with_care(give, close)) == "a response"
    with pytest.raises(httpx.ConnectError):
        asyncio.run(cancelled_with_care(fail, close))
