"""How an installed host gets its reporter: a one-time code, the script that installs it, and its token for the code."""

from __future__ import annotations

import asyncio
import hashlib
import shlex
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import jinja2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vetting import __version__, carried, wire
from vetting.clock import Clock
from vetting.domain.errors import Forbidden, NotAllowed, NotFound, TooMany, Unavailable
from vetting.domain.naming import known, mac_of
from vetting.orchestrator.keys import Certificate, pin_of, public_hex
from vetting.orchestrator.pace import Pace
from vetting.store import audit, hosts, registrations, tokens
from vetting.store.db import Store
from vetting.store.rows import HostRow

CODE_VALID_S = 3600.0
SCRIPT = "systemd/quick.sh.j2"
REFUSED = "this registration code is not valid here: it may be mistyped, used already, withdrawn or too old; make a new one with `vetting host code NAME`"
TRIES_AT_ONCE = 10  # from one address, then one each
TRY_EVERY_S = 6.0


@dataclass(frozen=True, slots=True)
class Program:
    """The zipapp that hosts get: the very file that this orchestrator runs from."""

    path: Path
    sha256: str


class Registering:
    def __init__(
        self, *, store: Store, clock: Clock, url: str, certificate: Certificate, signer: Ed25519PrivateKey
    ) -> None:
        self._store = store
        self._clock = clock
        self._url = url
        self._certificate = certificate
        self._signer = signer
        self._pace = Pace(clock, at_once=TRIES_AT_ONCE, every_s=TRY_EVERY_S)

    async def code(self, name: str, *, who: str) -> wire.RegistrationCode:
        """A one-time code for this host, and the line to run on it. Raises NotFound."""
        now = self._clock.now()

        def act() -> str:
            host = hosts.by_name(name)
            if host is None:
                raise NotFound(f"there is no host named {name[:80]!r}; `vetting host list` shows those that there are")
            audit.add(at=now, who=who, what="host.registration_code", target=name)
            return registrations.issue(host.id, who=who, now=now, valid_s=CODE_VALID_S)

        code = await self._store.write(act)
        return wire.RegistrationCode(host=name, code=code, valid_s=CODE_VALID_S, command=self.command(code))

    def command(self, code: str) -> str:
        """One line for root's shell. curl checks the server's key, --insecure only drops the question who signed it."""
        pin = pin_of(self._certificate)
        fetch = f"curl --fail --silent --show-error --insecure --pinnedpubkey {shlex.quote(pin)}"
        return f"{fetch} {shlex.quote(self._url + '/register/quick.sh')} | VETTING_CODE={shlex.quote(code)} sh"

    async def register(self, code: str, told: wire.Register, *, peer: str) -> wire.Registered:
        """The reporter's token for a code. Raises TooMany, NotAllowed (the same words for every bad code), and Forbidden
        where the machine is not the host that the code was made for; that uses nothing up."""
        if not self._pace.may(peer):
            raise TooMany("too many registrations from this address; wait a minute")
        now = self._clock.now()
        token, token_hash = tokens.issue()

        def act() -> tuple[HostRow | None, str]:
            found = registrations.find(code, now=now)
            if found is None:
                return None, ""
            host = hosts.get(found.host_id)
            if why_not := _another_machine(host, told):
                audit.add(
                    at=now, who=f"reporter at {peer}", what="host.register_refused", target=host.name, why=why_not
                )
                return host, why_not
            if host.removed_at or not registrations.use(found.id, now=now, by=peer):
                return None, ""
            hosts.edit(host.id, reporter_token_hash=token_hash, registered_at=now)
            audit.add(
                at=now, who=f"reporter at {peer}", what="host.register", target=host.name,
                detail={"hostname": told.hostname[:80], "version": told.version[:40], "code_by": found.issued_by},
            )  # fmt: skip
            return host, ""

        host, why_not = await self._store.write(act)
        if host is None:
            raise NotAllowed(REFUSED)
        if why_not:
            raise Forbidden(why_not)
        return wire.Registered(host=host.name, token=token, order_key=public_hex(self._signer))

    async def script(self) -> str:
        """The script that installs the reporter. Raises Unavailable where there is no program to install."""
        program = await asyncio.to_thread(own_program)
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - a shell script
        environment.filters["sh"] = shlex.quote
        return environment.from_string(carried.text(SCRIPT)).render(
            url=self._url, fingerprint=self._certificate.fingerprint, sha256=program.sha256, version=__version__,
            bytes=program.path.stat().st_size,
        )  # fmt: skip


def _another_machine(host: HostRow, told: wire.Register) -> str:
    """Why the machine that asks is not the host of the record; empty where nothing speaks against it."""
    noted, has = {mac_of(mac) for mac in host.macs}, {mac_of(mac) for mac in told.macs}
    if noted and has and not noted & has:
        return (
            f"none of this machine's MAC addresses ({', '.join(sorted(has))[:200]}) is in the record of {host.name}; "
            f"is the code for another host, or has this one a new card? (`vetting host edit {host.name} --mac …`)"
        )
    ours, theirs = known(host.identity.smbios_uuid if host.identity else ""), known(told.smbios_uuid)
    if ours and theirs and ours != theirs:
        return (
            f"this machine's SMBIOS UUID is not that of {host.name} as we know it; is the code for another host, or has "
            f"this one a new board? (`vetting host relearn {host.name}`)"
        )
    return ""


def own_program() -> Program:
    """The zipapp that we are, or the one that lies built in the checkout. Raises Unavailable."""
    running = Path(sys.argv[0]).resolve()
    built = Path(__file__).resolve().parents[2] / "dist" / "vetting"
    for path in (running, built):
        if path.is_file() and zipfile.is_zipfile(path):
            return Program(path, _sha256(path))
    raise Unavailable("this orchestrator runs from a checkout without dist/vetting; build it with `./build.sh zipapp`")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
