"""A key with its certificate, made on the operator's machine, by which a cluster's nodes know each other."""

import datetime as dt

from hotspare.model.secret import Secret

LIFETIME = dt.timedelta(days=3653)
"""Ten years: longer than the machines. A new one is made where there is none."""

_CLOCKS_APART = dt.timedelta(days=1)
"""A node whose clock is behind takes it, too."""

_NAME = "hotspare twin"
_USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def self_signed() -> Secret:
    """A new EC key on P-256 (PKCS #8) and the certificate that it has signed itself, in PEM, one after the other.

    The certificate is its own authority: who trusts it alone, trusts whoever has the key, and nobody else.
    """
    # A tenth of a second, which only a cluster's first twin needs.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    none = dict.fromkeys(_USES, False)
    usage = x509.KeyUsage(**none | {"digital_signature": True, "key_cert_sign": True})
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, _NAME)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_APART)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Secret(private + certificate.public_bytes(serialization.Encoding.PEM))
