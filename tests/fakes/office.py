"""Accounts on a real database, with a clock that the test moves and passwords that cost little."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tests.fakes.clock import FakeClock
from vetting.config import Config
from vetting.orchestrator import passwords
from vetting.orchestrator.accounts import Accounts, SignedIn
from vetting.store import audit
from vetting.store.db import Store
from vetting.store.rows import AuditRow

PASSWORD = "a horse, correct"
ANOTHER = "another horse, too"
PEER = "192.0.2.7"


@dataclass
class Office:
    store: Store
    clock: FakeClock
    config: Config
    data: Path
    accounts: Accounts

    def again(self, **console: object) -> Accounts:
        """As after a start of the program, with another configuration where one is given."""
        config = replace(self.config, console=replace(self.config.console, **console))  # type: ignore[arg-type]
        self.accounts = Accounts(store=self.store, clock=self.clock, config=config, data=self.data)
        return self.accounts

    async def set_up(self, name: str = "ann") -> SignedIn:
        code = await self.accounts.setup_code()
        return await self.accounts.set_up(code=code, name=name, password=PASSWORD, peer=PEER)

    async def sign_in(self, name: str = "ann", password: str = PASSWORD, peer: str = PEER) -> SignedIn:
        return await self.accounts.sign_in(name=name, password=password, peer=peer)

    async def add(self, name: str, role: str = "viewer") -> None:
        await self.accounts.add(name=name, role=role, password=PASSWORD, who="ann")

    async def audit(self) -> list[AuditRow]:
        """Oldest first."""
        return (await self.store.read(audit.entries))[::-1]


CHEAP = passwords.Strength(n=2**4, r=1, p=1)


def office_in(data: Path) -> Office:
    """Whoever opens it closes its store."""
    store, clock, config = Store.open(data / "vetting.db"), FakeClock(), Config()
    return Office(store, clock, config, data, Accounts(store=store, clock=clock, config=config, data=data))
