"""Signing what others must be able to believe (the orchestrator) and checking the signature (whoever obeys): Ed25519.

What is sealed travels as one JSON object `{"payload": "<text>", "signature": "<hex>"}`; the signature is over the
payload's UTF-8 bytes exactly as they stand, so that nobody has to agree on how JSON is laid out. `cryptography` is
imported where it is used: a read-only scan needs none of it.
"""

from __future__ import annotations

import json

from vetting.domain.errors import BadInput, Forbidden
from vetting.domain.permit import Permit, decode, encode

MAX_BYTES = 256 * 1024


def new_key() -> tuple[str, str]:
    """A fresh pair: hex of the private and of the public key, 32 bytes each."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    return private.private_bytes_raw().hex(), private.public_key().public_bytes_raw().hex()


def public_key_of(private_hex: str) -> str:
    """Hex of the public key that belongs to a private one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private_hex))
    return private.public_key().public_bytes_raw().hex()


def sign(permit: Permit, private_hex: str) -> str:
    """The permit as it travels."""
    return sealed(encode(permit), private_hex)


def verified(text: str, public_hex: str) -> Permit:
    """The permit in a signed text. Raises BadInput where it cannot be read, Forbidden where the signature is not good."""
    return decode(opened(text, public_hex, what="permit"))


def sealed(payload: str, private_hex: str) -> str:
    """One JSON object with the payload and its signature."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private_hex))
    return json.dumps({"payload": payload, "signature": private.sign(payload.encode()).hex()})


def opened(text: str, public_hex: str, *, what: str) -> str:
    """The payload of a sealed text, `what` it is for people. Raises BadInput where it cannot be read, Forbidden where the
    signature is not good."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if len(text) > MAX_BYTES:
        raise BadInput(f"the {what} is not readable: it is far too long")
    try:
        envelope = json.loads(text)
        payload, signature = envelope["payload"], bytes.fromhex(envelope["signature"])
        data = payload.encode()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadInput(f"the {what} is not readable: {error!r}") from error
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_hex))
    except ValueError as error:
        raise BadInput(f"the {what}'s key is not 32 bytes in hex") from error
    try:
        key.verify(signature, data)
    except InvalidSignature as error:
        raise Forbidden(f"the {what}'s signature is not good: it was changed, or another key signed it") from error
    return str(payload)
