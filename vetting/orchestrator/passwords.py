"""What a password must be, and how it is kept: scrypt with a salt of its own, never the password.

Two threads hash and no more, at a lower priority than everything else, and few may wait for them: a flood of sign-ins
takes two times 32 MiB, and no heartbeat waits behind it. Keyboards write one letter in several ways, so what is hashed is its NFKC form.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from vetting.domain.errors import BadInput, TooMany

SHORTEST = 10  # characters
LONGEST_BYTES = 1024
SALT_BYTES, HASH_BYTES = 16, 32
END = b"."  # scrypt's HMAC fills a short key up with zeros, so that "x" and "x\0" would be one password without it
AT_ONCE = 2
WAITING = 16  # strangers; what two threads do in some two seconds
KEPT_FREE = 8  # places in which no stranger waits: a flood shuts out nobody who is known
NICER = 10  # of nice(2)
MOST_MEMORY_BYTES = 256 * 1024**2
COMMON = """
    1234567890 12345678910 0123456789 0987654321 9876543210 1111111111 0000000000 123123123123 1122334455 147258369
    1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx3edc q1w2e3r4t5 qwertyuiop qwerty12345 qwerty123456 asdfghjkl1 zxcvbnm123 abcdefghij
    abcd123456 abc1234567 password12 password123 password1234 password12345 passw0rd123 p@ssw0rd123 password!1 mypassword
    administrator administrator1 admin12345 admin123456 adminadmin rootroot12 changeme123 changeme12 letmein123 welcome123
    welcome1234 iloveyou12 iloveyou123 sunshine123 football123 baseball123 superman123 princess123 dragon12345 monkey12345
    1234567891 123456789a a123456789 aa12345678 test123456 testtest123 qazwsxedcr secret1234 supersecret trustno1trustno1
    summer2024 winter2024 vettingvetting vetting123 correcthorsebatterystaple proxmox123 supermicro calvincalvin
"""


@dataclass(frozen=True, slots=True)
class Strength:
    """scrypt's parameters (RFC 7914): 128 * r * n bytes of memory, p times the work."""

    n: int = 2**15
    r: int = 8
    p: int = 3

    def __str__(self) -> str:
        return f"n={self.n},r={self.r},p={self.p}"


STRENGTH = Strength()


class Hashing:
    """Hashes and compares, beside the loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, "vetting-scrypt", initializer=_stand_back)
        self._waiting = 0

    async def hashed(self, password: str) -> str:
        """What is kept of a password. Raises TooMany."""
        salt, strength = secrets.token_bytes(SALT_BYTES), STRENGTH
        found = await self._work(password, salt, strength)
        return f"scrypt${strength}${_text(salt)}${_text(found)}"

    async def matches(self, password: str, kept: str, *, stranger: bool = False) -> bool:
        """Whether this is the password. Without anything kept it is not, after the same work. Raises TooMany."""
        strength, salt, wanted = _read(kept) if kept else (STRENGTH, bytes(SALT_BYTES), b"")
        found = await self._work(password, salt, strength, stranger=stranger)
        return hmac.compare_digest(found, wanted)

    async def _work(self, password: str, salt: bytes, strength: Strength, *, stranger: bool = False) -> bytes:
        if self._waiting >= AT_ONCE + WAITING + (0 if stranger else KEPT_FREE):
            raise TooMany("too many people sign in at the same time; try again in a few seconds", retry_after_s=3)
        self._waiting += 1
        try:
            raw = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass") + END
            return await asyncio.get_running_loop().run_in_executor(self._threads, _scrypt, raw, salt, strength)
        finally:
            self._waiting -= 1


def is_outdated(kept: str) -> bool:
    """Whether it was hashed with other parameters than today's: it is hashed again at the next sign-in."""
    return _read(kept)[0] != STRENGTH


def check(password: str, name: str) -> None:
    """Raises BadInput for a password that would be guessed, with what to do."""
    if len(password) < SHORTEST:
        raise BadInput(f"the password is too short: take {SHORTEST} characters or more; a few words are easy to keep")
    if len(password.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
        raise BadInput(f"the password is over {LONGEST_BYTES} bytes; take a shorter one")
    plain = password.lower()
    if plain == name.lower():
        raise BadInput("the password is the name; take another one")
    if plain in COMMON.split() or len(set(plain)) < 4:
        raise BadInput("the password is one of the first that anybody would try; take another one")


def _scrypt(raw: bytes, salt: bytes, strength: Strength) -> bytes:
    return hashlib.scrypt(
        raw, salt=salt, n=strength.n, r=strength.r, p=strength.p, maxmem=MOST_MEMORY_BYTES, dklen=HASH_BYTES
    )


def _stand_back() -> None:
    """Priorities are a thread's own on Linux."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICER)


def _read(kept: str) -> tuple[Strength, bytes, bytes]:
    _, strength, salt, found = kept.split("$")
    numbers = {key: int(value) for key, _, value in (part.partition("=") for part in strength.split(","))}
    return Strength(**numbers), base64.b64decode(salt), base64.b64decode(found)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
