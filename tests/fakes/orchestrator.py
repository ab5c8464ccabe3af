"""A scripted orchestrator that really speaks: HTTPS on loopback with a certificate of its own, strict about every message.

It keeps what it hears in lists, answers results from its script, and repeats its present `command` in every heartbeat,
as the real one does. `leave` and `come_back` take it off the port and put it there again.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vetting import wire
from vetting.domain.errors import BadInput, Conflict, NotAllowed, Refusal
from vetting.domain.hostspec import ExpectedSpec
from vetting.domain.profiles import TASTE

T = TypeVar("T")
TICKET = "ticket-7Hq"
TOKEN = "token-9Zx"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHx run 7"


def certificate(folder: Path, name: str = "server") -> tuple[Path, Path, str]:
    """A fresh self-made certificate: its file, its key's file, and its fingerprint in hex."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    cert_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    pem = serialization.Encoding.PEM
    key_file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return cert_file, key_file, hashlib.sha256(cert.public_bytes(serialization.Encoding.DER)).hexdigest()


Answer = wire.ResultReply | Refusal | Callable[[wire.Result], wire.ResultReply]


def onward(stage: str, attempt: int = 1, state: str = "") -> wire.ResultReply:
    return wire.ResultReply(verdict="PASS", state=state or stage, next_stage=stage, next_attempt=attempt)


def over(state: str = "Completed", verdict: str = "PASS") -> wire.ResultReply:
    return wire.ResultReply(verdict=verdict, state=state, next_stage="", next_attempt=0)


@dataclass
class ScriptedOrchestrator:
    """`answers` maps (stage, attempt) to what a result gets. Change `claim_reply` and `command` at any time."""

    folder: Path
    answers: dict[tuple[str, int], Answer] = field(default_factory=dict)
    first_stage: str = "Inventory"
    protocol: int = wire.PROTOCOL
    command: wire.Command = field(default_factory=lambda: wire.Command(cmd="none"))
    state: str = "InventoryCheck"
    refuse: dict[str, list[Refusal | int]] = field(default_factory=dict)  # path's end -> one for each coming call
    token: str = TOKEN
    heartbeat_s: float = 0.02

    hellos: list[wire.Hello] = field(default_factory=list)
    claims: list[tuple[str, wire.Claim]] = field(default_factory=list)  # (bearer, message)
    beats: list[wire.Heartbeat] = field(default_factory=list)
    results: list[wire.Result] = field(default_factory=list)
    holds: list[wire.Hold] = field(default_factory=list)
    sensors: list[wire.SensorBatch] = field(default_factory=list)
    logs: list[wire.LogBatch] = field(default_factory=list)
    artifacts: dict[tuple[str, int, str], bytes] = field(default_factory=dict)
    checkpoints: list[wire.Checkpoint] = field(default_factory=list)
    order: list[str] = field(default_factory=list)  # last part of each path that was called

    def __post_init__(self) -> None:
        self.cert, self.key, self.fingerprint = certificate(self.folder)
        self.claim_reply = self._plain_claim()
        self._news = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def lines(self) -> list[str]:
        return [line.text for batch in self.logs for line in batch.lines]

    # --- being there ----------------------------------------------------------------------------------------------

    async def come_back(self) -> None:
        app = web.Application(client_max_size=16 * 1024**2)
        app.router.add_route("*", "/api/agent/{what}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=context, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def leave(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def until(self, what: Callable[[], object], limit_s: float = 20.0) -> None:
        """Waits for something that these lists show. Raises TimeoutError."""
        async with asyncio.timeout(limit_s), self._news:
            await self._news.wait_for(lambda: bool(what()))

    # --- speaking -------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        self.order.append(what)
        try:
            if self.refuse.get(what):
                self._refuse_once(what)
            bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if what not in ("hello", "claim") and bearer != self.token:
                raise NotAllowed("this call needs a valid token")
            reply = await getattr(self, f"_{what}")(request, bearer)
            return web.Response(body=wire.encode(reply), content_type="application/json")
        except Refusal as refusal:
            body = wire.ErrorReply(
                error=wire.ErrorBody(code=refusal.code, message=refusal.message, detail=refusal.detail)
            )
            return web.Response(status=refusal.http_status, body=wire.encode(body), content_type="application/json")
        except _Status as status:
            return web.Response(status=status.number, text="no")
        finally:
            async with self._news:
                self._news.notify_all()

    def _refuse_once(self, what: str) -> None:
        refusal = self.refuse[what].pop(0)
        if isinstance(refusal, int):
            raise _Status(refusal)
        raise refusal

    async def _read(self, request: web.Request, kind: type[T]) -> T:
        if request.content_type != "application/json":
            raise BadInput("send JSON")
        return wire.decode(await request.read(), kind, strict=True)

    async def _hello(self, request: web.Request, bearer: str) -> wire.HelloReply:
        if bearer:
            raise AssertionError("a token was sent before the protocol was agreed")
        self.hellos.append(await self._read(request, wire.Hello))
        return wire.HelloReply(protocol=self.protocol, server_version="0")

    async def _claim(self, request: web.Request, bearer: str) -> wire.ClaimReply:
        message = await self._read(request, wire.Claim)
        self.claims.append((bearer, message))
        if bearer not in (TICKET, self.token):
            raise NotAllowed("this call needs a valid token")
        return self.claim_reply

    async def _heartbeat(self, request: web.Request, bearer: str) -> wire.HeartbeatReply:
        self.beats.append(await self._read(request, wire.Heartbeat))
        return wire.HeartbeatReply(state=self.state, command=self.command)

    async def _result(self, request: web.Request, bearer: str) -> wire.ResultReply:
        result = await self._read(request, wire.Result)
        self.results.append(result)
        answer = self.answers.get((result.stage, result.attempt), Conflict("the script expects no such result"))
        if isinstance(answer, Refusal):
            raise answer
        return answer if isinstance(answer, wire.ResultReply) else answer(result)

    async def _sensor(self, request: web.Request, bearer: str) -> wire.SensorReply:
        batch = await self._read(request, wire.SensorBatch)
        self.sensors.append(batch)
        return wire.SensorReply(stored=len(batch.samples))

    async def _log(self, request: web.Request, bearer: str) -> wire.LogReply:
        batch = await self._read(request, wire.LogBatch)
        self.logs.append(batch)
        return wire.LogReply(stored=len(batch.lines))

    async def _checkpoint(self, request: web.Request, bearer: str) -> wire.CheckpointKept | wire.CheckpointGiven:
        if request.method == "GET":
            return wire.CheckpointGiven()
        message = wire.decode(await request.read(), wire.Checkpoint, strict=True)
        self.checkpoints.append(message)
        return wire.CheckpointKept(seq=message.seq)

    async def _hold(self, request: web.Request, bearer: str) -> wire.HoldReply:
        self.holds.append(await self._read(request, wire.Hold))
        return wire.HoldReply(authorized_key=KEY, message="")

    async def _artifact(self, request: web.Request, bearer: str) -> wire.ArtifactReply:
        data, query = await request.read(), request.query
        if request.method != "PUT" or hashlib.sha256(data).hexdigest() != query["sha256"]:
            raise BadInput("the checksum is not that of the body")
        self.artifacts[query["stage"], int(query["attempt"]), query["name"]] = data
        return wire.ArtifactReply(name=query["name"], sha256=query["sha256"], size_bytes=len(data))

    def claims_again(self, **changes: Any) -> None:
        """What the next claim is told, in words of ClaimReply."""
        import msgspec

        self.claim_reply = msgspec.structs.replace(self.claim_reply, **changes)

    def _plain_claim(self) -> wire.ClaimReply:
        return wire.ClaimReply(
            run_id=7,
            host="rack1-node3",
            token=self.token,
            stages=(),
            current_state=self.state,
            current_stage=self.first_stage,
            attempt=1,
            holding=False,
            non_destructive=False,
            expected=ExpectedSpec(),
            expected_disks=(),
            profile=TASTE,
            thresholds=(),
            iperf=wire.IperfTarget(host="127.0.0.1", port=5201),
            heartbeat_s=self.heartbeat_s,
        )


class _Status(Exception):
    def __init__(self, number: int) -> None:
        self.number = number


@asynccontextmanager
async def orchestrating(folder: Path, **script: Any) -> AsyncIterator[ScriptedOrchestrator]:
    """An orchestrator on a free port of loopback, gone at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    one = ScriptedOrchestrator(folder, **script)
    await one.come_back()
    try:
        yield one
    finally:
        await one.leave()
