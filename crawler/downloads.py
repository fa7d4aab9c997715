"""How a response is fetched: from an allowed address, with a good certificate, whole or not at all.

Glue over Scrapy's handler of HTTP/1.1. Every direct connection of it is made by its pool, so there
the endpoint is one that checks each IP address as it connects to it: between the check and the
connection no name is looked up again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from OpenSSL import SSL
from OpenSSL.crypto import X509
from scrapy import Request
from scrapy.core.downloader.handlers.http11 import (
    HTTP11DownloadHandler,
    _LenientHTTP11ClientFactory,
    _LenientHTTP11ClientProtocol,
    _TunnelingTCP4ClientEndpoint,
)
from scrapy.crawler import Crawler
from scrapy.exceptions import (
    DownloadCancelledError,
    DownloadFailedError,
    ResponseDataLossError,
)
from scrapy.http import Response
from service_identity import CertificateError as NoNameError
from service_identity import VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IReactorPluggableNameResolver,
)
from twisted.internet.ssl import CertificateOptions
from twisted.python.failure import Failure
from twisted.web._newclient import BODY, HEADER, STATUS
from twisted.web.client import HTTPConnectionPool
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from crawler.addresses import Origin, read_address, read_host
from crawler.decoding import lacks_end
from crawler.errors import CutError, DownloadError
from crawler.middlewares import AddressGuard, TooLargeResponse

# What browsers take of header fields; without a bound they can go on until the time is over.
MOST_HEAD_BYTES = 256 * 1024
# A connection that has not come about by now does not come about; the rest may take longer.
CONNECT_SECONDS = 15.0
# So much of large bodies is held at a time, those among them that are being read.
ROOM_BYTES = 48 * 1024 * 1024
# What is smaller needs nobody's leave.
LARGE_BYTES = 1024 * 1024
_LOOK_AGAIN_S = 0.2
# Where the protocol leaves word that a server sent more than its Content-Length.
_SURPLUS = "X-News-Surplus"


class CutResponse(CutError, ResponseDataLossError):  # noqa: N818 - as IgnoreRequest
    """A response that did not come whole; retried, being a data loss."""


class NoResponse(DownloadError, DownloadFailedError):  # noqa: N818
    """A connection that brought no response; retried, being a failed download."""


class CertificateError(DownloadError):
    """The server is not the one it says it is, or nobody vouches for it."""


class Handler(HTTP11DownloadHandler):
    """Scrapy's, with a pool that asks the address guard."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        from twisted.internet import reactor

        policy: Any = _Policy(self._contextFactory, self._find_guard)
        pool: Any = GuardedPool(reactor, persistent=True)  # type: ignore[no-untyped-call]
        pool.maxPersistentPerHost = self._pool.maxPersistentPerHost
        pool._factory = partial(_Factory, Room(crawler, reactor))
        pool.find_guard = self._find_guard
        pool.policy = self._contextFactory = policy
        pool.timeout_s = min(crawler.settings.getfloat("DOWNLOAD_TIMEOUT"), CONNECT_SECONDS)
        self._pool = pool

    def _find_guard(self) -> AddressGuard:
        guard = self._crawler.get_downloader_middleware(AddressGuard)
        assert guard is not None  # without a guard nothing is asked
        return guard

    async def download_request(self, request: Request) -> Response:
        try:
            response = await super().download_request(request)
        except ResponseDataLossError as error:
            length = getattr(getattr(error.__cause__, "response", None), "length", None)
            whole = f"before all of its {length} bytes" if isinstance(length, int) else "too early"
            raise CutResponse(f"cut: the response ended {whole}") from error
        except DownloadFailedError as error:
            raise _explain(error) from error
        except DownloadCancelledError as error:
            most = request.meta.get("download_maxsize", self._default_maxsize)
            raise TooLargeResponse(f"larger than NEWS_MAX_BYTES, {most}") from error
        if response.headers.pop(_SURPLUS, None):
            raise CutResponse(f"cut: more than its {len(response.body)} bytes came")
        if response.status == 206:
            raise CutResponse("cut: HTTP 206, a part that nobody asked for")
        # Scrapy's word for a response that ends where the connection does, as HTTP/1.0 has it.
        has_no_length = "partial" in response.flags and "Content-Encoding" not in response.headers
        if has_no_length and lacks_end(response.body):
            raise CutResponse("cut: no end of the document")
        self._find_guard().check_redirect(response)
        return response


def _explain(error: DownloadFailedError) -> DownloadError:
    reasons = getattr(error.__cause__, "reasons", ())
    for reason in reasons:
        told = str(reason.value)
        if isinstance(reason.value, VerificationError):
            return CertificateError("certificate refused: it is another host's")
        if isinstance(reason.value, NoNameError):
            return CertificateError("certificate refused: it names no host")
        if isinstance(reason.value, SSL.Error):
            if "certificate" in told:
                return CertificateError(f"certificate refused: {_say_ssl(reason.value)}")
            return NoResponse(f"no response: TLS failed: {_say_ssl(reason.value)}")
    told = "; ".join(str(reason.value) or reason.type.__name__ for reason in reasons)
    return NoResponse(f"no response: {told or error}")


def _say_ssl(error: SSL.Error) -> str:
    return "; ".join(part[-1] for part in error.args[0]) if error.args else "closed"


# ---------------------------------------------------------------- connections


class GuardedPool(HTTPConnectionPool):
    """Opens connections to guarded addresses. Connections through a proxy are left to Scrapy: the
    proxy is the operator's, and the one to look the host up."""

    find_guard: Callable[[], AddressGuard]
    policy: _Policy
    timeout_s: float

    def getConnection(self, key: Any, endpoint: Any) -> Any:  # noqa: N802
        is_proxied = key[0] == b"http-proxy" or isinstance(endpoint, _TunnelingTCP4ClientEndpoint)
        if not is_proxied:
            scheme, host, port, bind_address = key
            origin = (read_host(host.decode()), port)
            reactor = _GuardedReactor(self._reactor, self.find_guard(), origin)
            endpoint = HostnameEndpoint(
                reactor,
                host.decode(),
                port,
                timeout=self.timeout_s,
                bindAddress=bind_address,
            )
            if scheme == b"https":
                endpoint = wrapClientTLS(self.policy.creatorForNetloc(host, port), endpoint)
        return super().getConnection(key, endpoint)


@implementer(IReactorPluggableNameResolver)
class _GuardedReactor:
    """The reactor, but that it connects to no address that the guard refuses. An endpoint gives it
    the IP addresses that a name has stood for, one by one."""

    def __init__(self, reactor: Any, guard: AddressGuard, origin: Origin) -> None:
        self._reactor = reactor
        self._guard = guard
        self._origin = origin

    def connectTCP(self, host: str, *arguments: Any, **options: Any) -> Any:  # noqa: N802
        self._guard.check_connection(self._origin, host)
        return self._reactor.connectTCP(host, *arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


# ---------------------------------------------------------------- certificates


@implementer(IPolicyForHTTPS)
class _Policy:
    """Scrapy's policy, but for hosts that the operator takes on trust."""

    def __init__(self, verified: Any, find_guard: Callable[[], AddressGuard]) -> None:
        self._verified = verified
        self._find_guard = find_guard

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:  # noqa: N802
        if (read_host(hostname.decode()), port) in self._find_guard().unverified:
            return _UnverifiedConnections(hostname)
        return _VerifiedConnections(self._verified.creatorForNetloc(hostname, port), hostname)


@implementer(IOpenSSLClientConnectionCreator)
class _VerifiedConnections:
    """Twisted's, but that a certificate without any name is refused: Twisted 26.10 logs that it has
    none, and takes it for every host's."""

    def __init__(self, verified: Any, hostname: bytes) -> None:
        host = read_host(hostname.decode("ascii"))
        self._verified = verified
        self._wanted = DNS_ID(host) if read_address(host) is None else IPAddress_ID(host)

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:  # noqa: N802, N803
        connection: SSL.Connection = self._verified.clientConnectionForTLS(tlsProtocol)

        def verify(_: SSL.Connection, found: X509, error: int, depth: int, is_valid: int) -> bool:
            if depth == 0 and is_valid:  # of those above it the chain is all there is to know
                try:
                    verify_service_identity(extract_patterns(found), [self._wanted], [])
                except (VerificationError, NoNameError):
                    tlsProtocol.failVerification(Failure())  # type: ignore[no-untyped-call]
                    return False
            return bool(is_valid)

        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify)
        return connection


@implementer(IOpenSSLClientConnectionCreator)
class _UnverifiedConnections:
    def __init__(self, hostname: bytes) -> None:
        self._hostname = hostname

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:  # noqa: N802, N803
        connection = SSL.Connection(CertificateOptions(verify=False).getContext(), None)
        connection.set_tlsext_host_name(self._hostname)
        return connection


# ---------------------------------------------------------------- room for large bodies


class Room:
    """Lets a few large bodies arrive at a time, so that many hosts together take no more memory
    than some. When it is full the largest wait, and small ones go on; one always does."""

    def __init__(self, crawler: Crawler, clock: Any) -> None:
        self._crawler = crawler
        self._clock = clock
        self._bytes: dict[_Protocol, int] = {}
        self._waiting: set[_Protocol] = set()

    def grow(self, body: _Protocol, size: int) -> None:
        """Takes note that a body has got as large as that."""
        self._bytes[body] = size
        going = self._bytes.keys() - self._waiting
        if body not in going or self._has_space():
            return
        if len(going) > 1 or self._count_read() >= ROOM_BYTES:
            if not self._waiting:
                self._look_later()
            largest = max(going, key=self._bytes.__getitem__)
            self._waiting.add(largest)
            _transport(largest).pauseProducing()

    def leave(self, body: _Protocol) -> None:
        """Takes note that a body has ended."""
        self._bytes.pop(body, None)
        self._waiting.discard(body)

    def _has_space(self) -> bool:
        return self._count_read() + sum(self._bytes.values()) < ROOM_BYTES

    def _count_read(self) -> int:
        """The bytes of the responses that have arrived and are being read."""
        slot = self._crawler.engine.scraper.slot
        return slot.active_size if slot else 0

    def _look_later(self) -> None:
        self._clock.callLater(_LOOK_AGAIN_S, self._look)

    def _look(self) -> None:
        """Lets the smallest go on where there is space, or where nobody else does."""
        if not self._waiting:
            return
        is_idle = len(self._waiting) == len(self._bytes) and self._count_read() < ROOM_BYTES
        if is_idle or self._has_space():
            smallest = min(self._waiting, key=self._bytes.__getitem__)
            self._waiting.discard(smallest)
            _transport(smallest).resumeProducing()
        if self._waiting:
            self._look_later()


def _transport(body: _Protocol) -> Any:
    return body.transport


# ---------------------------------------------------------------- whole responses


class _Protocol(_LenientHTTP11ClientProtocol):
    """Scrapy's, but that header fields have a bound, that large bodies ask for room, and that it
    notes bytes behind the end that a Content-Length set: Twisted closes such a connection and gives
    the cut body as if it were whole.
    """

    def __init__(self, room: Room, quiescent: Any) -> None:
        super().__init__(quiescent)  # type: ignore[no-untyped-call]
        self._room = room

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        parser: Any = self._parser
        if parser is not None and parser.state in (STATUS, HEADER):
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                reason = f"header fields of more than {MOST_HEAD_BYTES} bytes"
                self._giveUp(Failure(NoResponse(reason)))  # type: ignore[no-untyped-call]
                return
        super().dataReceived(data)  # type: ignore[no-untyped-call]
        now: Any = self._parser
        if now is not None and now is parser and now.state == BODY:
            self._body_bytes += len(data)
            if self._body_bytes > LARGE_BYTES:
                self._room.grow(self, self._body_bytes)

    def connectionLost(self, reason: Any) -> None:  # type: ignore[override] # noqa: N802
        self._room.leave(self)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def request(self, request: Any) -> Any:
        self._head_bytes = self._body_bytes = 0
        done = super().request(request)
        parser: Any = self._parser
        finish = parser.finisher

        def finished(rest: bytes) -> None:
            if rest.strip() and parser.response.code not in parser.NO_BODY_CODES:
                parser.headers.setRawHeaders(_SURPLUS, ["1"])
            self._room.leave(self)
            finish(rest)

        parser.finisher = finished
        return done


class _Factory(_LenientHTTP11ClientFactory):
    def __init__(self, room: Room, *arguments: Any) -> None:
        super().__init__(*arguments)  # type: ignore[no-untyped-call]
        self._room = room

    def buildProtocol(self, addr: Any) -> _Protocol:  # noqa: N802
        return _Protocol(self._room, self._quiescentCallback)
