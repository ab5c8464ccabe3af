"""What was done, as a person says it: "mira overrode CPUStress of run 42 on pve-03, because …", with links to follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any
from urllib.parse import quote

from vetting.store.rows import AuditRow

KINDS = {  # for the filter: what the deed begins with -> in words
    "run.": "runs",
    "host.": "hosts",
    "user.": "people and sign-ins",
    "token.": "API tokens",
    "artifact.": "files taken",
    "notify.": "notifications",
}
SENTENCES = {
    "run.start": "started {run} on {host}{profile}",
    "run.cancel": "cancelled {run} on {host}{stage_then}",
    "run.override": "overrode {stage} of {run} on {host}{flags}",
    "run.retry": "had {stage} of {run} on {host} tried again",
    "run.release": "released {host} from {run}",
    "run.hold_key": "took the key to {host}, held by {run}",
    "run.restore_heads": "was permitted to put the saved ends of a disk of {host} back, in {run}",
    "run.reboot_ordered": "had {host} reboot for {run}",
    "run.reboot_refused": "refused to reboot {host} for {run}",
    "artifact.take": "took the file {target} of {run}",
    "host.add": "added the host {host}",
    "host.edit": "changed the host {host}{was}",
    "host.spec": "changed the expected spec of {host}",
    "host.pin": "pinned what was measured in the expected spec of {host}{from_run}",
    "host.remove": "removed the host {target}",
    "host.relearn": "had the identity of {host} learned anew",
    "host.reporter_token": "issued a token for the reporter of {host}",
    "host.registration_code": "issued a code that registers {host}",
    "host.register": "registered {host}",
    "host.register_refused": "was refused to register {host}",
    "host.woken": "sent the packets that wake {host} for {run}",
    "host.started": "had the management controller boot {host} for {run}",
    "host.power_cut": "cut the power of {host} for {run}",
    "host.power_asked": "asked the management controller of {host} how it is",
    "token.issue": "issued the token {target}{role}",
    "token.revoke": "revoked the token {target}",
    "user.set_up": "set this up with the setup code{peer}",
    "user.sign_in": "signed in{peer}",
    "user.sign_out": "signed out",
    "user.add": "added {target}{role}",
    "user.role": "changed the role of {target}{roles}",
    "user.password": "set a new password for {target}",
    "user.own_password": "changed the own password",
    "user.disable": "keeps {target} from signing in",
    "user.enable": "lets {target} sign in again",
    "user.end_sessions": "signed {target} out everywhere",
    "user.remove": "removed {target}",
    "notify.test": "sent a test to {target}{delivered}",
}


@dataclass(frozen=True, slots=True)
class Part:
    text: str
    href: str = ""


def sentence(deed: AuditRow) -> tuple[Part, ...]:
    """Without the reason. A deed that nobody wrote words for is told by its own name."""
    words = SENTENCES.get(deed.what)
    if words is None:
        place = _run(deed) if deed.run_id is not None else Part(deed.target)
        return (Part(f"{deed.who} did {deed.what} to "), place)
    return (Part(f"{deed.who} "), *_filled(words, deed))


def plain(deed: AuditRow) -> str:
    """The same as one text, for a file."""
    return "".join(part.text for part in sentence(deed))


def _filled(words: str, deed: AuditRow) -> Iterator[Part]:
    for literal, field, _, _ in Formatter().parse(words):
        if literal:
            yield Part(literal)
        if field == "run":
            yield _run(deed)
        elif field == "host":
            yield Part(deed.target, f"/hosts/{quote(deed.target, safe='')}")
        elif field == "target":
            yield Part(deed.target)
        elif field and (said := _detail(field, deed.detail)):
            yield Part(said)


def _run(deed: AuditRow) -> Part:
    return Part(f"run {deed.run_id}", f"/runs/{deed.run_id}") if deed.run_id is not None else Part("a run")


def _detail(field: str, detail: Mapping[str, Any]) -> str:
    """What stands beside the deed itself; empty where nothing was noted."""
    flags = ", ".join(map(str, detail.get("flags") or ()))
    stage = str(detail.get("failed_stage") or "")
    said = {
        "stage": stage or "the failed stage",
        "stage_then": f", held after {stage}" if stage else "",
        "flags": f" with {flags}" if flags else "",
        "profile": f", profile {detail['profile']}" if detail.get("profile") else "",
        "was": f", which was {detail['was']}" if detail.get("was") else "",
        "from_run": f", from run {detail['run']} of {detail.get('of') or 'it'}" if detail.get("run") else "",
        "role": f" as {detail['role']}" if detail.get("role") else "",
        "roles": f" from {detail.get('was') or 'another'} to {detail['role']}" if detail.get("role") else "",
        "peer": f" from {detail['peer']}" if detail.get("peer") else "",
        "delivered": ""
        if "delivered" not in detail
        else ": it was taken"
        if detail["delivered"]
        else ": it was not taken",
    }[field]
    if field == "profile" and said:
        said += ", non-destructive" if detail.get("non_destructive") else ", erasing its disks"
        said += f", after a repair of {', '.join(map(str, detail['replaced']))}" if detail.get("replaced") else ""
    return said
