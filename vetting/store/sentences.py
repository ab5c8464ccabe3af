"""What a database's error means to the person who reads it: one sentence with the file and what to do next."""

from __future__ import annotations

import errno
import sqlite3

import peewee as pw

from vetting.domain.errors import BadInput, Conflict, Unavailable

# SQLite's own words (sqlite3ErrStr), which the driver hands on.
SAYINGS: tuple[tuple[str, str], ...] = (
    ("disk is full", "the disk that holds {path} is full: free some space, then try again; nothing was half written"),
    ("disk i/o error", "the disk that holds {path} does not read or write: look at the kernel log, then try again"),
    (
        "is locked",
        "{path} is locked by another program: close it (another `vetting serve`, a database shell), try again",
    ),
    ("readonly database", "{path} cannot be written: make it and its folder writable for this user, then try again"),
    ("unable to open", "{path} cannot be opened: look whether it and its folder are there and readable for this user"),
    ("not a database", "{path} is not a database: name another file, or restore a backup with `vetting restore`"),
    ("malformed", "{path} is damaged: stop, keep a copy of it, and restore a backup with `vetting restore`"),
    ("no such table", "{path} is not a database of vetting: start `vetting serve` on it once, or name another file"),
)


def in_words(error: BaseException, path: str) -> BaseException:
    """A Refusal for an error of the database or of the disk; every other error as it is."""
    if isinstance(error, pw.IntegrityError | sqlite3.IntegrityError):
        return _because(Conflict(f"this contradicts what is recorded already: {error}"), error)
    if isinstance(error, pw.DatabaseError | pw.InterfaceError | sqlite3.Error):
        said = str(error).lower()
        for saying, sentence in SAYINGS:
            if saying in said:
                return _because(Unavailable(sentence.format(path=path)), error)
        return error
    if isinstance(error, UnicodeEncodeError):
        return _because(BadInput(f"a text cannot be recorded, it is not Unicode: {error.reason}"), error)
    if isinstance(error, OSError):
        return _because(Unavailable(_of_the_system(error, path)), error)
    return error


def _of_the_system(error: OSError, path: str) -> str:
    where = error.filename or path
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk that holds {where} is full: free some space, then try again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where} cannot be written: make it writable for this user, or name another data directory"
    return f"{where} cannot be used: {error.strerror or error}; name another data directory"


def _because(said: Unavailable | Conflict | BadInput, error: BaseException) -> BaseException:
    said.__cause__ = error
    return said
