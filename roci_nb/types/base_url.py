"""A server's address, in whichever of its usual forms it was written."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from roci_nb.errors import ConfigError

_ENDINGS = (
    "/chat/completions",
    "/completions",
    "/models",
    "/api/chat",
    "/api/tags",
    "/api/v0",
    "/api/v1",
    "/v1",
    "/api",
)
"""What people copy behind the address; the providers build these paths themselves (PROTOCOLS D)."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOGIN = re.compile(r"[^/\s'\"]*@")
_QUERY = re.compile(r"([?#])[^\s'\"]+")
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read here, never bound


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """Scheme, host, port and path prefix of a server; ``str()`` has no trailing slash and no ``/v1``."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @classmethod
    def parse(cls, text: str, *, default_port: int | None = None) -> BaseUrl:
        """Read an address with or without scheme, ``/v1``, ``/api/v0``, ``/api/v1`` or a trailing slash.

        ``0.0.0.0`` and ``[::]``, on which a server listens, mean loopback. ``default_port`` stands in where neither
        scheme nor port is written. Raises ``ConfigError``.
        """
        cleaned = text.strip().strip("\"'").strip()
        has_scheme = "://" in cleaned
        if cleaned.startswith(":"):  # OLLAMA_HOST=:11435
            cleaned = f"127.0.0.1{cleaned}"
        try:
            parts = urlsplit(cleaned if has_scheme else f"http://{cleaned}")
            port = parts.port
        except ValueError as error:
            raise ConfigError(_shown(f"{text!r} is no address ({error}): write it as http://127.0.0.1:11434")) from None
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.hostname in _DEFAULT_PORTS:
            raise ConfigError(_shown(f"{text!r} is no address of a server: write it as http://127.0.0.1:11434"))
        if parts.query or parts.fragment:
            raise ConfigError(
                f"the address of {parts.hostname} holds a query: give it bare, and the rest as headers or extra"
            )
        if parts.username is not None or parts.password is not None:
            raise ConfigError(
                f"the address of {parts.hostname} holds a name or a password: give api_key or headers instead"
            )
        if port is None:
            port = default_port if default_port and not has_scheme else _DEFAULT_PORTS[parts.scheme]
        return cls(parts.scheme, _ANY_ADDRESS.get(parts.hostname, parts.hostname), port, _without_endings(parts.path))

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: what a key belongs to. ``localhost`` and its addresses are one."""
        return self.scheme, "localhost" if self.is_loopback else self.host, self.port

    @property
    def is_loopback(self) -> bool:
        """Whether requests stay on this machine."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        address = self._address()
        return address is not None and address.is_loopback

    @property
    def is_private(self) -> bool:
        """Whether the host is of this machine or of its own network: proxy variables are not meant for it."""
        if self.is_loopback or "." not in self.host or self.host.endswith((".local", ".internal", ".lan")):
            return True
        address = self._address()
        return address is not None and (address.is_private or address.is_link_local)

    def _address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        try:
            return ipaddress.ip_address(self.host.partition("%")[0])
        except ValueError:
            return None

    def join(self, path: str) -> str:
        """Return the URL of ``path``, which begins with a slash."""
        return f"{self}{path}"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.prefix}"


def _shown(message: str) -> str:
    """Leave out what may be a password or a key of a wrong address."""
    return _QUERY.sub(r"\1…", _LOGIN.sub("…@", message))


def _without_endings(path: str) -> str:
    path = path.rstrip("/")
    shortened = True
    while shortened:
        shortened = False
        for ending in _ENDINGS:
            if path.endswith(ending):
                path = path.removesuffix(ending).rstrip("/")
                shortened = True
    return path
