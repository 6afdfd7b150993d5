"""Certificates of a test's own: an authority, what it signs, what signs itself."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, and the file that holds both."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    file: Path

    @property
    def server(self) -> ssl.SSLContext:
        """What a server shows it with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file)
        return context


def authority(folder: Path, name: str = "authority") -> Issued:
    """Somebody who signs; the file is one that ``ca`` may name."""
    return _issue(folder, name, None, "", timedelta(days=-1), timedelta(days=3650))


def issued(by: Issued, days: float, *, host: str = "127.0.0.1") -> Issued:
    """A server's certificate that ends so many days from now; fewer than none and it has ended."""
    name = f"{host}-{days:g}".replace(".", "-")
    return _issue(by.file.parent, name, by, host, timedelta(days=min(days, 0) - 30), timedelta(days=days))


def self_signed(folder: Path, days: float = 365, host: str = "127.0.0.1") -> Issued:
    """A server's certificate that nobody else vouches for."""
    return _issue(folder, f"self-{days:g}", None, host, timedelta(days=-30), timedelta(days=days))


def _issue(folder: Path, name: str, by: Issued | None, host: str, since: timedelta, until: timedelta) -> Issued:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + since)
        .not_valid_after(now + until)
        .add_extension(x509.BasicConstraints(ca=not host, path_length=None), critical=True)
    )
    if host:
        try:
            named: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            named = x509.DNSName(host)
        builder = builder.add_extension(x509.SubjectAlternativeName([named]), critical=False)
    certificate = builder.sign(by.key if by else key, hashes.SHA256())
    file = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    file.chmod(0o600)
    return Issued(certificate, key, file)
