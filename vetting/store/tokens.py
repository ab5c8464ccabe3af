"""Secrets that we can check and cannot tell: hashes of tokens, and the operators' ones.

A token is 256 random bits, so a plain SHA-256 keeps it: there is nothing to guess that a slow hash would protect.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from vetting.domain.errors import BadInput, Conflict, NotFound
from vetting.domain.roles import Role
from vetting.store.models import OperatorToken
from vetting.store.rows import OperatorTokenRow, row

TOKEN_BYTES = 32
LONGEST_NAME = 100


def issue() -> tuple[str, str]:
    """A new token and its hash. The token is shown once and kept nowhere; the hash is stored."""
    plain = secrets.token_urlsafe(TOKEN_BYTES)
    return plain, hash_of(plain)


def hash_of(plain: str) -> str:
    """The hash under which a token is stored, 64 hexadecimal digits."""
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def matches(plain: str, token_hash: str) -> bool:
    """Whether a token is the one with this hash; takes the same time for every answer. An empty hash matches nothing."""
    return hmac.compare_digest(hash_of(plain).encode(), token_hash.encode()) and token_hash != ""


def create_operator(name: str, role: str, *, now: float, by: str = "") -> tuple[OperatorTokenRow, str]:
    """A token for a person or script; the second part is the token itself, shown once.

    Raises BadInput for an unknown role or an empty name, Conflict where the name is taken.
    """
    if role not in list(Role):
        raise BadInput(f"there is no role {role[:40]!r}; choose one of {', '.join(Role)}")
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadInput(f"a token needs a name of up to {LONGEST_NAME} characters in one line; say whose it is")
    if OperatorToken.select().where(OperatorToken.name == name).exists():
        raise Conflict(f"there is already a token named {name!r}; revoke it first, or choose another name")
    plain, token_hash = issue()
    made = OperatorToken.create(name=name, role=role, token_hash=token_hash, created_at=now, issued_by=by)
    return row(OperatorTokenRow, made), plain


def authenticate(plain: str) -> OperatorTokenRow | None:
    """The operator's token that this is, or None."""
    record = OperatorToken.get_or_none(OperatorToken.token_hash == hash_of(plain))
    if record is None or not matches(plain, record.token_hash):
        return None
    return row(OperatorTokenRow, record)


def mark_used(token_id: int, *, now: float) -> None:
    """When it was last used."""
    OperatorToken.update(used_at=now).where(OperatorToken.id == token_id).execute()


def operators() -> list[OperatorTokenRow]:
    """All of them, by name; never their hashes."""
    return [row(OperatorTokenRow, record) for record in OperatorToken.select().order_by(OperatorToken.name)]


def revoke(name: str) -> None:
    """The token is no good from now on. Raises NotFound."""
    if OperatorToken.delete().where(OperatorToken.name == name).execute() != 1:
        raise NotFound(f"there is no token named {name[:80]!r}; `vetting token list` shows those that there are")
