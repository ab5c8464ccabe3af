"""Spoils a stress-ng worker at work, inside the guest: the page frames of its memory, its memory, or its registers.

    poke.py frame            prints the number of a page frame that a vm worker has filled
    poke.py memory TIMES     flips a bit in the memory of the vm workers, so many times
    poke.py registers TIMES [CPU]  flips a bit in a vector register of the workers that compute (on this CPU alone), so many times

Waits for such a worker; ends with 1 where none came, or where it was gone before all was done (`registers`: before the first).
Plain Python without anything of ours: it runs in the guest's own system.
"""

import ctypes
import os
import random
import struct
import sys
import time
from collections.abc import Iterator

PATIENCE_S = 400
PAGE = 4096
ENOUGH_PAGES = 500
ATTACH, DETACH, SETREGSET, GETREGSET = 16, 17, 0x4205, 0x4204
FLOATING = 2  # NT_PRFPREG: the x87 and SSE state
XMM = 160  # of the sixteen vector registers in it
COMPUTES = ("hash", "matrix", "vecmath", "vecfp", "fma", "vecshuf", "cpu")


def workers(*kinds: str) -> Iterator[int]:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as file:
                if file.read().strip() in {f"stress-ng-{kind}"[:15] for kind in kinds}:
                    yield int(pid)
        except OSError:
            continue


def filled(pid: int) -> tuple[int, int] | None:
    """Address and page frame of a page in the middle of what the worker has filled; None before it filled enough."""
    try:
        with open(f"/proc/{pid}/maps") as file:
            parts = [line.split() for line in file if " rw-" in line]
        start, end = max(
            (tuple(int(a, 16) for a in p[0].split("-")) for p in parts), key=lambda span: span[1] - span[0]
        )
        with open(f"/proc/{pid}/pagemap", "rb") as file:
            file.seek(start // PAGE * 8)
            raw = file.read((end - start) // PAGE * 8)
    except (OSError, ValueError):
        return None
    pages = struct.unpack(f"{len(raw) // 8}Q", raw)
    there = [number for number, page in enumerate(pages) if page >> 63]
    if len(there) < ENOUGH_PAGES:
        return None
    chosen = there[len(there) // 2]
    return start + chosen * PAGE, pages[chosen] & ((1 << 55) - 1)


def frame(_: str) -> int:
    for pid in workers("vm"):
        if found := filled(pid):
            print(f"{found[1]:#x}")
            return 1
    return 0


def memory(_: str) -> int:
    done = 0
    for pid in workers("vm"):
        if found := filled(pid):
            place = found[0] + 128
            try:
                with open(f"/proc/{pid}/mem", "r+b", buffering=0) as file:
                    file.seek(place)
                    old = file.read(1)[0]
                    file.seek(place)
                    file.write(bytes([old ^ 1]))
            except (OSError, IndexError):
                continue
            done += 1
    time.sleep(0.2)
    return done


class Span(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def registers(only: str) -> int:
    """Each worker on the core, stopped for an instant in the middle of its sums."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    done = 0
    for pid in workers(*COMPUTES):
        if only and last_cpu(pid) != only:
            continue
        if libc.ptrace(ATTACH, pid, None, None) != 0:
            continue
        try:
            os.waitpid(pid, 0x40000000)  # __WALL
            state = ctypes.create_string_buffer(512)
            span = Span(ctypes.addressof(state), 512)
            if libc.ptrace(GETREGSET, pid, FLOATING, ctypes.byref(span)) == 0:
                at = XMM + random.randrange(256)
                state[at] = bytes([state[at][0] ^ 1 << random.randrange(8)])
                done += libc.ptrace(SETREGSET, pid, FLOATING, ctypes.byref(span)) == 0
        except OSError:
            pass
        finally:
            libc.ptrace(DETACH, pid, None, None)
    time.sleep(0.02)
    return done


def last_cpu(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[36]
    except OSError:
        return ""


def main() -> int:
    deed = {"frame": frame, "memory": memory, "registers": registers}[sys.argv[1]]
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    only = sys.argv[3] if len(sys.argv) > 3 else ""
    done, until = 0, time.monotonic() + PATIENCE_S
    while done < wanted and time.monotonic() < until:
        did = deed(only)
        done += did
        if not did:
            time.sleep(0.1)
    return 0 if done >= wanted or (done and sys.argv[1] == "registers") else 1


if __name__ == "__main__":
    sys.exit(main())
