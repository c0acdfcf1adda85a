"""Certificates for content credentials, made on the spot: a chain of a signer and the authority that vouches for it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

KEYS: dict[str, Callable[[], Key]] = {
    "es256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "es384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ps256": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


def chain_for(
    key: Key, *, days: tuple[float, float] = (-1, 30), use: ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION
) -> bytes:
    """Two certificates in PEM, the signer's first, good from the first to the second of `days` from now."""
    authority = ec.generate_private_key(ec.SECP256R1())
    root = _builder("authority", authority.public_key(), days).add_extension(x509.BasicConstraints(True, None), True)
    signer = _builder("signer", key.public_key(), days).add_extension(x509.BasicConstraints(False, None), True)
    signer = signer.add_extension(_usage(signs=True), True).add_extension(x509.ExtendedKeyUsage([use]), False)
    signer = signer.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False)
    signed = (
        signer.sign(authority, hashes.SHA256()),
        root.add_extension(_usage(), True).sign(authority, hashes.SHA256()),
    )
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in signed)


def pem_of(key: Key, password: bytes | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def written(folder: Path, certificate: bytes, key: bytes) -> tuple[str, str]:
    """The names of two files with these in them."""
    paths = (folder / "chain.pem", folder / "key.pem")
    for path, content in zip(paths, (certificate, key), strict=True):
        path.write_bytes(content)
    return str(paths[0]), str(paths[1])


def _builder(name: str, public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey,
             days: tuple[float, float]) -> x509.CertificateBuilder:  # fmt: skip
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named("authority"))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
    )


def _named(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def _usage(*, signs: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=not signs, crl_sign=not signs, encipher_only=False, decipher_only=False,
    )  # fmt: skip
