"""Signing permits (the orchestrator) and checking the signature (the surface program): Ed25519.

`cryptography` is imported where it is used: a read-only scan needs none of it.
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
    """The permit as it travels: one JSON object with the payload and its signature."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    payload = encode(permit)
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private_hex))
    return json.dumps({"payload": payload, "signature": private.sign(payload.encode()).hex()})


def verified(text: str, public_hex: str) -> Permit:
    """The permit in a signed text. Raises BadInput where it cannot be read, Forbidden where the signature is not good."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if len(text) > MAX_BYTES:
        raise BadInput("the permit is not readable: it is far too long")
    try:
        envelope = json.loads(text)
        payload, signature = envelope["payload"], bytes.fromhex(envelope["signature"])
        data = payload.encode()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadInput(f"the permit is not readable: {error!r}") from error
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_hex))
    except ValueError as error:
        raise BadInput("the permit's key is not 32 bytes in hex") from error
    try:
        key.verify(signature, data)
    except InvalidSignature as error:
        raise Forbidden("the permit's signature is not good: it was changed, or another key signed it") from error
    return decode(payload)
