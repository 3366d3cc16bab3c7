"""How the building host reaches package indexes: certificates, proxies, pip's and apt's settings.

They are handed into the build and are gone from the image when it is finished.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hotspare.lab.command import run

BUILD_DIR = "/run/hotspare-build"
"""Inside the image's root, while it is built."""

CERTIFICATE_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
PASSED_VARIABLES = (
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES", "PIP_PROXY"),
    *(name for proxy in ("http_proxy", "https_proxy", "no_proxy", "all_proxy") for name in (proxy, proxy.upper())),
)
DEBIAN_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PIP_CONFIGURATIONS = ("/etc/pip.conf", "/etc/xdg/pip/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")


@dataclass(frozen=True, slots=True)
class HostSettings:
    """`files` are to be copied to `BUILD_DIR` under their names; `environment` is for the build's processes."""

    files: Mapping[str, str]
    environment: Mapping[str, str]


def gather(environ: Mapping[str, str]) -> HostSettings:
    """What of this host's settings a build has to know. Reads files; changes nothing.

    Source: pip's "Configuration Files" (global is read from `XDG_CONFIG_DIRS`, `PIP_CONFIG_FILE` on top of it).
    """
    files: dict[str, str] = {}
    variables = {name: environ[name] for name in PASSED_VARIABLES if environ.get(name)}
    certificates = next((environ[name] for name in CERTIFICATE_VARIABLES if environ.get(name)), DEBIAN_CERTIFICATES)
    if Path(certificates).is_file():
        files["certificates.pem"] = Path(certificates).read_text(encoding="utf-8", errors="replace")
        variables |= dict.fromkeys(CERTIFICATE_VARIABLES, f"{BUILD_DIR}/certificates.pem")
    configuration = _first_readable((environ.get("PIP_CONFIG_FILE", ""), *PIP_CONFIGURATIONS[:2]))
    if configuration:
        files["pip/pip.conf"] = configuration
        variables["XDG_CONFIG_DIRS"] = BUILD_DIR
    own = _first_readable(PIP_CONFIGURATIONS[2:])
    if own:
        files["own-pip.conf"] = own
        variables["PIP_CONFIG_FILE"] = f"{BUILD_DIR}/own-pip.conf"
    return HostSettings(files=files, environment=variables)


def apt_proxies() -> tuple[str, ...]:
    """This host's `Acquire::…::Proxy` settings as options for another apt. Empty where apt knows none."""
    shown = run(("apt-config", "dump", "Acquire"), timeout_s=20)
    lines = shown.out.splitlines()
    return tuple(line for line in lines if "::Proxy" in line.split(" ", 1)[0] and not line.endswith('"";'))


def _first_readable(paths: tuple[str, ...]) -> str:
    for path in filter(None, paths):
        candidate = Path(path).expanduser()
        if candidate.is_file():
            return candidate.read_text(encoding="utf-8")
    return ""
