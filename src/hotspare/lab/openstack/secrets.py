"""The lab's passwords and keys: random for each lab, in memory and in its machines' files only."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field

TOKEN_BYTES = 18


@dataclass(frozen=True, slots=True)
class Secrets:
    """One lab's secrets; none shows in a `repr`."""

    admin: str = field(repr=False)
    """Password of Keystone's user `admin`."""
    neutron: str = field(repr=False)
    """Password of Neutron's own user in Keystone."""
    application: str = field(repr=False)
    """Secret of the application credential."""
    database: str = field(repr=False)
    broker: str = field(repr=False)
    broker_salt: bytes = field(repr=False)
    metadata: str = field(repr=False)
    """What Neutron's metadata agent signs instance ids with."""
    fernet_keys: tuple[str, str] = field(repr=False)
    """Keystone's staged and primary token keys."""

    @property
    def broker_hash(self) -> str:
        """The broker's password as its definitions file wants it.

        Source: RabbitMQ, "Credentials and Passwords": base64(salt + SHA-256(salt + password)), salt of 4 bytes.
        """
        digest = hashlib.sha256(self.broker_salt + self.broker.encode()).digest()
        return base64.b64encode(self.broker_salt + digest).decode()


def generate_secrets() -> Secrets:
    """New secrets from the kernel's random source."""

    def word() -> str:
        return secrets.token_urlsafe(TOKEN_BYTES)

    def fernet_key() -> str:
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()

    return Secrets(
        admin=word(),
        neutron=word(),
        application=word(),
        database=word(),
        broker=word(),
        broker_salt=secrets.token_bytes(4),
        metadata=word(),
        fernet_keys=(fernet_key(), fernet_key()),
    )
