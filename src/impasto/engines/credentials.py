"""The operator's certificate, and the C2PA manifests that are signed with it.

Rule: what cannot sign is found when it is loaded, by signing something. Signing takes processor time and stays off
the event loop; nothing is fetched from anywhere, no time-stamp either.
"""

import io
import struct
import zlib
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from impasto import __version__
from impasto.domain.errors import Code, Failure
from impasto.domain.provenance import ALGORITHMIC_MEDIA
from impasto.engines.stamp import png_chunk

_CERTIFICATE, _KEY = "IMPASTO_C2PA_CERTIFICATE", "IMPASTO_C2PA_KEY"
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_LIBRARY_SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"verify_after_sign": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
}


class CredentialsError(Exception):
    """A certificate and a key that cannot sign. The message names the setting and says what it takes."""


class SigningError(Exception):
    """A picture could not be signed, although the certificate was good once. The message is for the log."""

    def as_failure(self) -> Failure:
        """What the caller hears."""
        return Failure(
            Code.INTERNAL,
            "The picture was made, and could not be signed with this gateway's certificate. Tell the operator: "
            "impasto doctor says why.",
            logged=f"content credentials: {self}",
        )


@dataclass(frozen=True, slots=True)
class Credentials:
    """A chain of certificates in PEM, the signer's first, with the signer's key in PKCS#8, and C2PA's `algorithm`."""

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)
    algorithm: str

    def signed(self, png: bytes, source_type: str) -> bytes:
        """The PNG with a manifest: made by this gateway, with this digital source type. Blocks; raises `SigningError`.

        Each manifest has its own number and time, so the bytes differ from one call to the next.
        """
        import c2pa  # type: ignore[import-untyped]

        manifest = {
            "claim_generator_info": [{"name": "impasto", "version": __version__}],
            "assertions": [
                {
                    "label": "c2pa.actions.v2",
                    "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": source_type}]},
                }
            ],
        }
        signed = io.BytesIO()
        try:
            signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(self.algorithm, self.certificate, self.key, None))
            with (
                c2pa.Settings.from_dict(_LIBRARY_SETTINGS) as settings,
                c2pa.Context(settings=settings, signer=signer) as context,
                c2pa.Builder.from_json(manifest, context) as builder,
            ):
                builder.sign("image/png", io.BytesIO(png), signed)
        except c2pa.C2paError as error:
            raise SigningError(str(error)) from None  # its class cannot travel between processes
        return signed.getvalue()


def is_installed() -> bool:
    """Whether what signs is there (the extra `provenance`)."""
    return find_spec("c2pa") is not None and find_spec("cryptography") is not None


def load_credentials(certificate: str, key: str) -> Credentials:
    """Read the files of these names, and sign with them once. Raises `CredentialsError`."""
    if not is_installed():
        raise CredentialsError(f"{_CERTIFICATE} is set, which needs: pip install 'impasto[provenance]'.")
    chain = _read(_CERTIFICATE, certificate)
    algorithm, plain_key = _read_key(key, _read(_KEY, key))
    credentials = Credentials(chain, plain_key, algorithm)
    try:
        credentials.signed(_SMALLEST_PNG, ALGORITHMIC_MEDIA)
    except SigningError as error:
        raise CredentialsError(
            f"{_CERTIFICATE} and {_KEY}: {certificate} and {key} cannot sign pictures ({error}). They take a chain in "
            "PEM, the signer's certificate first, valid now and made for signing, and the key that belongs to it."
        ) from error
    return credentials


def _read(variable: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CredentialsError(f"{variable}: {path} cannot be read: {error.strerror or error}.") from error


def _read_key(path: str, pem: bytes) -> tuple[str, bytes]:
    """The algorithm that goes with a key, and the key as the library takes it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    match key:
        case ec.EllipticCurvePrivateKey() if key.curve.name in _CURVES:
            algorithm = _CURVES[key.curve.name]
        case rsa.RSAPrivateKey():
            algorithm = "ps256"
        case ed25519.Ed25519PrivateKey():
            algorithm = "ed25519"
        case _:
            raise CredentialsError(
                f"{_KEY}: {path} holds no key that can be used. It takes a private key in PEM, without a password: "
                "ECDSA on P-256, P-384 or P-521, RSA, or Ed25519."
            )
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return algorithm, key.private_bytes(encoding, form, serialization.NoEncryption())


_SMALLEST_PNG = (
    b"\x89PNG\r\n\x1a\n"
    + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    + png_chunk(b"IDAT", zlib.compress(b"\0\0"))
    + png_chunk(b"IEND", b"")
)
