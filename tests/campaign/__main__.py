"""`python -m tests.campaign`: the campaign, or a part of it.

    --fast          the faults and controls marked so
    --each-time     the few that CI runs each time
    --only NAME…    rows by name
    --jobs N        guests at a time
    --resume        goes on with a whole campaign that was interrupted, with the program and the image that it began with
    --room DIR      where results go, in the place of build/campaign; its name becomes the rack's
    --page          writes the page from the results that are there, and starts nothing
    --list          the rows, and nothing else

Exits with 1 where a fault was missed or a healthy host accused, with 3 where rows were spoiled by the rack itself.
Only a whole campaign writes docs/fault-campaign.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.campaign import matrix, proving
from tests.campaign.controls import CONTROLS
from tests.campaign.fault import Control, Fault, Proved
from tests.campaign.faults import collected
from tests.campaign.proofs import PROOFS
from tests.campaign.result import GOOD, Came, Result, keep, kept
from tests.campaign.runner import Campaign
from tests.campaign.settings import EACH_TIME
from tests.conftest import REPOSITORY
from tests.lab.settings import IMAGE
from vetting import proc

ROOM = REPOSITORY / "build" / "campaign"
DOCS = REPOSITORY / "docs"
PAGE, DATA = "fault-campaign.md", "fault-campaign.json"
ZIPAPP = REPOSITORY / "dist" / "vetting"

Row = tuple[str, Callable[["Campaign"], Awaitable[Result]]]
TRIES = 3  # of a row that could not be measured: several guests share a few slow cores


@dataclass(frozen=True, slots=True)
class Chosen:
    faults: tuple[Fault, ...]
    controls: tuple[Control, ...]
    proofs: tuple[Proved, ...]
    whole: bool

    @property
    def names(self) -> list[str]:
        rows: tuple[Fault | Control | Proved, ...] = (*self.faults, *self.controls, *self.proofs)
        return [one.name for one in rows]


def chosen(*, fast: bool = False, each_time: bool = False, only: Sequence[str] = ()) -> Chosen:
    """Raises ValueError for a name that no row has."""
    whole = Chosen(collected(), CONTROLS, PROOFS, not (fast or each_time or only))
    if unknown := set(only) - set(whole.names):
        raise ValueError(f"no row is called {', '.join(sorted(unknown))}; --list names them all")

    def wanted(one: Fault | Control | Proved) -> bool:
        if only:
            return one.name in only
        if each_time:
            return one.name in EACH_TIME
        return not fast or (not isinstance(one, Proved) and one.fast)

    return Chosen(
        tuple(one for one in whole.faults if wanted(one)), tuple(one for one in whole.controls if wanted(one)),
        tuple(one for one in whole.proofs if wanted(one)), whole.whole,
    )  # fmt: skip


def frozen(room: Path, *, anew: bool) -> tuple[Path, Path]:
    """The program and the image of this campaign, whatever is built meanwhile."""
    zipapp, image = room / "vetting", room / "image"
    if anew or not zipapp.is_file() or not image.is_dir():
        shutil.rmtree(image, ignore_errors=True)
        room.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ZIPAPP, zipapp)
        shutil.copytree(IMAGE, image)
    return zipapp, image


async def run(chosen: Chosen, *, jobs: int, results: Path, zipapp: Path, image: Path) -> list[Result]:
    done = kept(results)
    turns = asyncio.Semaphore(jobs)

    async def one(key: str, row: Callable[[], Awaitable[Result]]) -> None:
        if (before := done.get(key)) is not None and before.came in GOOD:
            return
        async with turns:
            result = await row()
            before_that: list[str] = []
            while result.again and len(before_that) < TRIES - 1:
                before_that.append(f"{result.came} at first: {result.words[:300] or '; '.join(result.instead)[:300]}")
                print(f"{key} once more, {before_that[-1]}", flush=True)
                result = await row()
            result = result.but(notes=(*result.notes, *before_that))
            keep(results, result)
            done[key] = result
            print(matrix.for_a_terminal([result]), flush=True)

    def guests(alone: bool) -> list[Awaitable[None]]:
        faults = sorted((one for one in chosen.faults if one.alone is alone), key=lambda fault: not fault.fast)
        return [one(f"{f.name} {p}", partial(campaign.tried, f, p)) for f in faults for p in f.profiles]

    if chosen.faults or chosen.controls:
        async with Campaign.built(
            chosen.faults, chosen.controls, name=results.parent.name, image=image, zipapp=zipapp
        ) as campaign:
            watched = [one(f"{c.name} campaign", partial(campaign.watched, c)) for c in chosen.controls]
            beside = guests(alone=False)  # a few rows end soonest where the longest begin first
            await asyncio.gather(*((*beside, *watched) if chosen.whole else (*watched, *beside)))
            for row in guests(alone=True):
                await row
    for proof in chosen.proofs:  # one by one: some of them load all cores themselves
        await one(f"{proof.name} tests", partial(proving.proved, proof, results.parent))
    return [result for result in done.values() if result.name in chosen.names]


def in_order(rows: Chosen, done: Sequence[Result]) -> list[Result]:
    """Each row of the campaign as it is listed; one that was not reached says so."""
    known = {one.key: one for one in done}
    every = [(f.name, f.title, f.row, profile) for f in rows.faults for profile in f.profiles]
    every += [(one.name, one.title, "", "campaign") for one in rows.controls]
    every += [(one.name, one.title, one.row, "tests") for one in rows.proofs]
    return [
        known.get(f"{name} {profile}")
        or Result(name=name, row=row, title=title, came=Came.NOT_REACHED, words="this campaign did not come to it")
        for name, title, row, profile in every
    ]


async def qemu_version() -> str:
    told = await proc.run(("qemu-system-x86_64", "--version"), limit_s=20)
    return told.stdout.splitlines()[0].removeprefix("QEMU emulator version ") if told.stdout else ""


def written(results: Sequence[Result], versions: dict[str, str], *, where: Path) -> None:
    (where / PAGE).write_text(matrix.page(results, versions))
    (where / DATA).write_bytes(matrix.data(results, versions))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaign", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    for flag in ("--fast", "--each-time", "--resume", "--page", "--list"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--room", type=Path)
    said = parser.parse_args()
    try:
        rows = chosen(fast=said.fast, each_time=said.each_time, only=said.only)
    except ValueError as why:
        parser.error(str(why))
    if said.list:
        print("\n".join(rows.names))
        return 0
    if os.geteuid() != 0 or not (ZIPAPP.is_file() and (IMAGE / "vmlinuz").exists()):
        parser.error("this makes network namespaces and boots the live image: run ./build.sh campaign, as root")
    began = time.monotonic()
    room = said.room or (ROOM if rows.whole else ROOM / "campaign-part")
    results = room / "results.jsonl"
    if said.page:
        done = [*kept(results).values()]
    else:
        if not said.resume:
            results.unlink(missing_ok=True)
        zipapp, image = frozen(room, anew=not said.resume)
        done = asyncio.run(run(rows, jobs=said.jobs, results=results, zipapp=zipapp, image=image))
    done = in_order(rows, done)
    versions = {name: version for one in done for name, version in one.versions.items()}
    versions["QEMU"] = asyncio.run(qemu_version())
    written(done, versions, where=room)
    if rows.whole and not said.room:
        written(done, versions, where=DOCS)
    print(
        f"\n{matrix.for_a_terminal(done)}\n\n{matrix.summary(done)}{(time.monotonic() - began) / 60:.0f} minutes",
        flush=True,
    )
    bad = [one for one in done if one.came not in GOOD]
    return 0 if not bad else 1 if any(one.came is not Came.SPOILED for one in bad) else 3


if __name__ == "__main__":
    sys.exit(main())
