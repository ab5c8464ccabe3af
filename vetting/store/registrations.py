"""One-time registration codes, as hashes. Every function is called inside `Store.write` or `Store.read`."""

from __future__ import annotations

from vetting.store import tokens
from vetting.store.models import Registration
from vetting.store.rows import RegistrationRow, row


def issue(host_id: int, *, who: str, now: float, valid_s: float) -> str:
    """A new code for this host, shown once; those that it has not used yet end."""
    withdraw(host_id, now=now)
    code, code_hash = tokens.issue()
    Registration.create(host=host_id, code_hash=code_hash, issued_by=who, created_at=now, expires_at=now + valid_s)
    return code


def withdraw(host_id: int, *, now: float) -> None:
    """Codes of this host that nobody has used are no good any more."""
    unused = (Registration.host == host_id) & Registration.used_at.is_null() & (Registration.expires_at > now)
    Registration.update(expires_at=now).where(unused).execute()


def find(code: str, *, now: float) -> RegistrationRow | None:
    """The registration that this code still opens; None for unknown, used and expired ones alike."""
    record = Registration.get_or_none(Registration.code_hash == tokens.hash_of(code))
    if record is None or not tokens.matches(code, record.code_hash):
        return None
    found = row(RegistrationRow, record)
    return found if found.used_at is None and now < found.expires_at else None


def use(registration_id: int, *, now: float, by: str) -> bool:
    """Uses a code up; False where somebody else was first."""
    unused = (Registration.id == registration_id) & Registration.used_at.is_null()
    return bool(Registration.update(used_at=now, used_from=by).where(unused).execute() == 1)
