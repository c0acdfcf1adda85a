"""Credentials: what is signed validates, and what cannot sign is found before there is a picture."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.x509.oid import ExtendedKeyUsageOID

from impasto import __version__
from impasto.domain.errors import Code
from impasto.domain.provenance import ALGORITHMIC_MEDIA, provenance_of
from impasto.engines import credentials as module
from impasto.engines.credentials import CredentialsError, SigningError, load_credentials
from impasto.engines.stamp import stamped
from tests.fakes.certificates import KEYS, chain_for, pem_of, written
from tests.fakes.pictures import png

c2pa = pytest.importorskip("c2pa")


def read(picture: bytes) -> dict[str, Any]:
    """What a validator says, the question of trust aside."""
    said: dict[str, Any] = json.loads(c2pa.Reader("image/png", io.BytesIO(picture)).json())
    assert {status["code"] for status in said["validation_status"]} == {"signingCredential.untrusted"}
    assert said["validation_state"] == "Valid"
    manifest: dict[str, Any] = said["manifests"][said["active_manifest"]]
    return manifest


@pytest.mark.parametrize("algorithm", KEYS)
def test_what_is_signed_validates(algorithm: str, tmp_path: Path) -> None:
    key = KEYS[algorithm]()
    credentials = load_credentials(*written(tmp_path, chain_for(key), pem_of(key)))
    assert credentials.algorithm == algorithm
    picture = credentials.signed(stamped(png(8, 8), ALGORITHMIC_MEDIA, "painter"), ALGORITHMIC_MEDIA)
    manifest = read(picture)
    assert {"name": "impasto", "version": __version__}.items() <= manifest["claim_generator_info"][0].items()
    [action] = manifest["assertions"][0]["data"]["actions"]
    assert action == {"action": "c2pa.created", "digitalSourceType": ALGORITHMIC_MEDIA}
    assert manifest["signature_info"]["common_name"] == "signer"
    assert "thumbnail" not in manifest
    found = provenance_of(lambda offset, count: picture[offset : offset + count], len(picture), "image/png")
    assert found.digital_source_type == ALGORITHMIC_MEDIA
    assert found.c2pa is not None
    assert (found.c2pa.claim_generator, found.c2pa.digital_source_type) == ("impasto", ALGORITHMIC_MEDIA)


def test_a_picture_that_was_changed_does_not_validate(tmp_path: Path) -> None:
    key = KEYS["es256"]()
    signed = load_credentials(*written(tmp_path, chain_for(key), pem_of(key))).signed(png(8, 8), ALGORITHMIC_MEDIA)
    at = signed.index(b"IDAT") + 6
    changed = signed[:at] + bytes((signed[at] ^ 1,)) + signed[at + 1 :]
    said = json.loads(c2pa.Reader("image/png", io.BytesIO(changed)).json())
    assert said["validation_state"] == "Invalid"


def test_neither_key_nor_certificate_is_shown(tmp_path: Path) -> None:
    key = KEYS["es256"]()
    assert repr(load_credentials(*written(tmp_path, chain_for(key), pem_of(key)))) == "Credentials(algorithm='es256')"


# --- what cannot sign ---


def refusal(folder: Path, certificate: bytes, key: bytes) -> str:
    with pytest.raises(CredentialsError) as caught:
        load_credentials(*written(folder, certificate, key))
    return str(caught.value)


def test_a_certificate_that_cannot_sign_is_refused(tmp_path: Path) -> None:
    key, other = KEYS["es256"](), KEYS["es256"]()
    for certificate, reason in (
        (chain_for(key, days=(-9, -1)), "not valid at time of signing"),
        (chain_for(key, days=(1, 9)), "not valid at time of signing"),
        (chain_for(key, use=ExtendedKeyUsageOID.SERVER_AUTH), "the certificate is invalid"),
        (chain_for(other), "does not match"),
        (b"no certificate", ""),
        (pem_of(key), ""),
    ):
        said = refusal(tmp_path, certificate, pem_of(key))
        assert said.startswith("IMPASTO_C2PA_CERTIFICATE and IMPASTO_C2PA_KEY: ")
        assert reason in said
        assert "PRIVATE KEY" not in said


def test_a_key_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    key = KEYS["es256"]()
    for pem in (
        b"no key",
        chain_for(key),
        pem_of(key, password=b"secret"),
        pem_of(ec.generate_private_key(ec.SECP256K1())),
        pem_of(ed448.Ed448PrivateKey.generate()),  # type: ignore[arg-type]
    ):
        said = refusal(tmp_path, chain_for(key), pem)
        assert said.startswith(f"IMPASTO_C2PA_KEY: {tmp_path / 'key.pem'} holds no key that can be used. It takes ")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"IMPASTO_C2PA_CERTIFICATE: .*gone cannot be read: No such file"):
        load_credentials(str(tmp_path / "gone"), str(tmp_path / "gone"))
    (tmp_path / "chain.pem").write_bytes(b"")
    with pytest.raises(CredentialsError, match=r"IMPASTO_C2PA_KEY: .*gone cannot be read"):
        load_credentials(str(tmp_path / "chain.pem"), str(tmp_path / "gone"))


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(CredentialsError, match=r"IMPASTO_C2PA_CERTIFICATE is set, which needs: pip install"):
        load_credentials("chain.pem", "key.pem")


def test_a_failure_while_signing_tells_the_caller_whom_to_ask() -> None:
    failure = SigningError("the certificate was not valid").as_failure()
    assert failure.code is Code.INTERNAL
    assert "impasto doctor" in failure.message
    assert failure.logged == "content credentials: the certificate was not valid"


def test_the_library_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, impasto.engines.painter, impasto.engines.sandbox; print('c2pa' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
