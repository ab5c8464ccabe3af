"""The order to reboot an installed host into vetting: for which host, run and boot, until when. Signed elsewhere.

The key that signs it signs permits too; `kind` keeps the two apart. An order is worth nothing by itself: the host's own
administrator must have allowed it there, and the host's own look decides (`domain.safelook`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from math import isfinite

from vetting.domain import seal
from vetting.domain.errors import BadInput

REBOOT = "reboot_for_vetting"
VALID_S = 300  # five minutes
CLOCK_SLACK_S = 300.0  # how far a host's clock may lag behind the issuer's
NONCE_CHARS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Times are seconds since the Unix epoch."""

    kind: str = REBOOT
    host: str  # the record's name
    run_id: int
    boot_id: str  # of the reporter's own kernel: an order does not outlive the boot that it ends
    macs: tuple[str, ...] = ()  # addresses by which the host may boot from us; empty: any of its own
    issued_s: int
    expires_s: int
    nonce: str


def sign(order: Order, private_hex: str) -> str:
    """The order as it travels."""
    return seal.sealed(encode(order), private_hex)


def verified(text: str, public_hex: str) -> Order:
    """The order in a signed text. Raises BadInput where it cannot be read, Forbidden where the signature is not good."""
    return decode(seal.opened(text, public_hex, what="order"))


def encode(order: Order) -> str:
    """The payload to sign."""
    return json.dumps(asdict(order), sort_keys=True, separators=(",", ":"))


def decode(payload: str) -> Order:
    """An order from its payload. Raises BadInput for anything that `encode` does not write."""
    try:
        row = json.loads(payload)
        order = Order(**{**row, "macs": tuple(row["macs"])})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadInput(f"the order is not readable: {error}") from error
    if not _well_typed(order) or encode(order) != json.dumps(row, sort_keys=True, separators=(",", ":")):
        raise BadInput("the order is not readable: a field has the wrong type")
    return order


def order_problems(order: Order, *, now_s: float, host: str, boot_id: str) -> tuple[str, ...]:
    """Why an order (whose signature was found good) does not hold here and now; empty when it does."""
    problems = []
    if order.kind != REBOOT:
        problems.append(f"it is a {order.kind[:40]!r}, not an order to reboot")
    if not order.host or order.host != host:
        problems.append(f"it is for the host {order.host[:80]!r}, this one is registered as {host!r}")
    if not order.boot_id or order.boot_id != boot_id:
        problems.append("it is for another boot of this host")
    if not 0 < order.expires_s - order.issued_s <= VALID_S:
        problems.append(f"its validity of {order.expires_s - order.issued_s} s is not between 1 s and {VALID_S} s")
    if not (isfinite(now_s) and order.issued_s - CLOCK_SLACK_S <= now_s < order.expires_s):
        problems.append(
            f"it is valid from {order.issued_s} to {order.expires_s} and the clock of this host says {now_s:.0f}: "
            "it is too old, or one of the clocks is wrong"
        )
    if len(order.nonce) < NONCE_CHARS:
        problems.append("its nonce is too short to be used once")
    return tuple(problems)


def _well_typed(order: Order) -> bool:
    """JSON knows texts and numbers, and Python takes one for the other where nobody looks."""
    texts = (order.kind, order.host, order.boot_id, order.nonce, *order.macs)
    numbers = (order.run_id, order.issued_s, order.expires_s)
    assert len(fields(order)) == 8, "a new field is checked here too"
    return all(isinstance(text, str) for text in texts) and all(type(number) is int for number in numbers)
