"""The orchestrator's own keys: the TLS certificate it is pinned by, the key that signs wipe permits, hold key pairs."""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import ipaddress
import os
import secrets
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from vetting.domain.errors import Unavailable
from vetting.store.files import sync_folder
from vetting.store.sentences import in_words

SECRET_BYTES = 32
TEN_YEARS = datetime.timedelta(days=3650)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    cert_path: Path
    key_path: Path
    fingerprint: str  # hex SHA-256 of the DER certificate: what agents and reporters pin


def ensure_certificate(folder: Path, names: tuple[str, ...] = ()) -> Certificate:
    """The certificate in `folder`, made at the first call. Agents pin it, so nobody has to sign it. Raises Unavailable."""
    cert_path, key_path = folder / "tls.crt", folder / "tls.key"
    if not cert_path.exists() or not key_path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        write_secret(key_path, _private_pem(key))
        write_secret(cert_path, _self_signed(key, names).public_bytes(serialization.Encoding.PEM))
    for path, load in (
        (cert_path, lambda: x509.load_pem_x509_certificate(cert_path.read_bytes())),
        (key_path, lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert_path, key_path)),
    ):
        try:
            load()
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            raise _useless(path, "all hosts have to learn the new fingerprint then") from error
    return Certificate(cert_path=cert_path, key_path=key_path, fingerprint=fingerprint_of(folder))


def _useless(path: Path, price: str) -> Unavailable:
    return Unavailable(
        f"{path} is not a key or certificate that can be used: restore it from a backup, or move it away and start again "
        f"to have a new one made ({price})"
    )


def fingerprint_of(folder: Path) -> str:
    """Hex SHA-256 of the certificate in `folder`. Raises OSError where there is none."""
    der = ssl.PEM_cert_to_DER_cert((folder / "tls.crt").read_text())
    return hashlib.sha256(der).hexdigest()


def pin_of(certificate: Certificate) -> str:
    """The certificate's public key as `curl --pinnedpubkey` takes it: "sha256//" and the base64 of its SHA-256."""
    public = x509.load_pem_x509_certificate(certificate.cert_path.read_bytes()).public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256//{base64.b64encode(hashlib.sha256(der).digest()).decode()}"


def _self_signed(key: ec.EllipticCurvePrivateKey, names: tuple[str, ...]) -> x509.Certificate:
    host = socket.gethostname() or "vetting"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"vetting on {host}"[:64])])
    began = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)  # hosts' clocks may be late
    alternatives = [_general_name(name) for name in dict.fromkeys((*names, host, "localhost", "127.0.0.1", "::1"))]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + TEN_YEARS)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def ensure_signing_key(folder: Path) -> ed25519.Ed25519PrivateKey:
    """The Ed25519 key that signs wipe permits, made at the first call. Raises Unavailable."""
    path = folder / "permit.key"
    if not path.exists():
        write_secret(path, _private_pem(ed25519.Ed25519PrivateKey.generate()))
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _useless(path, "permits that are out end then") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise _useless(path, "permits that are out end then")
    return key


def ensure_secret(path: Path) -> bytes:
    """32 random bytes in a file, made at the first call. Raises Unavailable."""
    if not path.exists():
        write_secret(path, secrets.token_bytes(SECRET_BYTES))
    try:
        found = path.read_bytes()
    except OSError as error:
        raise _useless(path, "forms that are open in browsers are refused once then") from error
    if len(found) != SECRET_BYTES:
        raise _useless(path, "forms that are open in browsers are refused once then")
    return found


def public_hex(key: ed25519.Ed25519PrivateKey) -> str:
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return raw.hex()


def hold_key_pair(run_id: int) -> tuple[str, str]:
    """(private, public) in OpenSSH's formats, for one run's hold; the private half never leaves the orchestrator's side."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), f"{public.decode()} vetting-run-{run_id}"


def _private_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_secret(path: Path, data: bytes) -> None:
    """A file that only we can read, there whole or not at all. Raises Unavailable where the disk does not take it."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise in_words(error, str(path)) from error
