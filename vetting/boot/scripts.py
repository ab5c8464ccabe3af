"""What iPXE is told, from the templates in `pxe/`. Whatever comes from outside is checked before it becomes a word."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vetting import carried
from vetting.config.values import LocalBoot
from vetting.domain.errors import BadInput

SPOKEN = re.compile(r"[^A-Za-z0-9 .,:()/_-]+")  # nothing that iPXE would expand or take as an operator
WORD = re.compile(r"[A-Za-z0-9=,.:/_+@%\[\]-]+")
LONGEST_SENTENCE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What the agent in the image must know, all of it on the kernel's command line."""

    url: str
    fingerprint: str
    ticket: str
    run_id: int
    mac: str
    netconsole: str = ""  # address:port
    more: str = ""  # boot.kernel_args

    @property
    def words(self) -> tuple[str, ...]:
        """The kernel's words. Raises BadInput for a value that is more than a word."""
        told = {
            "vetting.url": self.url,
            "vetting.fingerprint": self.fingerprint,
            "vetting.ticket": self.ticket,
            "vetting.run": str(self.run_id),
            "vetting.netconsole": self.netconsole,
            "BOOTIF": "01-" + self.mac.replace(":", "-"),
        }
        words = (*(f"{name}={value}" for name, value in told.items() if value), *self.more.split())
        for word in words:
            if not WORD.fullmatch(word):
                raise BadInput(f"{word.partition('=')[0][:40]!r} cannot be put on a kernel command line")
        return words


def first(local_boot: LocalBoot) -> str:
    """The same for every host: ask for your own."""
    return carried.text("pxe/boot.ipxe") + ending(local_boot)


def local(why: str, local_boot: LocalBoot) -> str:
    """On to the local disk, with the reason on the console."""
    return carried.filled("pxe/local.ipxe", {"why": spoken(why)}) + ending(local_boot)


def image(ticket: Ticket, *, host: str, version: str, build: str) -> str:
    """Into the live image."""
    return carried.filled(
        "pxe/image.ipxe",
        {
            "run": str(ticket.run_id),
            "host": spoken(host),
            "image": spoken(version),
            "build": build if re.fullmatch(r"[0-9a-f]{1,64}", build) else "",
            "words": " ".join(ticket.words),
        },
    )


def ending(local_boot: LocalBoot) -> str:
    """How a machine comes to its local disk. A UEFI firmware goes on in its boot order only after a failure."""
    return carried.text("pxe/exit.ipxe" if local_boot is LocalBoot.EXIT else "pxe/auto.ipxe")


def spoken(text: str) -> str:
    """A text that iPXE prints as it is."""
    return " ".join(SPOKEN.sub(" ", text).split())[:LONGEST_SENTENCE] or "-"
