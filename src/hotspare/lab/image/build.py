"""The base image of every lab machine: built once, cached by what goes into it, never written again.

An image is a directory `image-<digest>`, used as the lower layer of every machine's overlay. It appears by one rename
when it is finished. A build that is cut leaves `building-…`, which the next build or `sweep` removes; it leaves no
process and no mount, because all of it runs in a process and a mount namespace that die with this process.
"""

import fcntl
import os
import shlex
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hotspare.lab.image import host_settings
from hotspare.lab.image.recipe import SUITE, Recipe, shipped
from hotspare.model.errors import RefusedError

CACHE = Path("/var/cache/hotspare")
BUILDING = "building-"
TALK_PREFIXES = ("I: ", "hotspare: ", "E: ", "W: ")
NOISE = ("hook", "architecture", "signed-by", "format", "cleaning")
OUTPUT_KEPT_LINES = 40

Progress = Callable[[str], None]


def cached_image(cache: Path = CACHE) -> Path | None:
    """The finished image of this version's recipe, or None when it has to be built."""
    image = _image_of(shipped(), cache)
    return image if image.is_dir() else None


def ensure_image(progress: Progress, *, cache: Path = CACHE) -> Path:
    """The image is there; its root directory is returned. Builds it when it is missing: a few minutes, with network.

    Only one build runs at a time on a machine; whoever comes second waits for it and uses its result.

    Raises:
        RefusedError: the build failed; the message holds the end of its output.
    """
    recipe = shipped()
    image = _image_of(recipe, cache)
    if image.is_dir():
        return image
    cache.mkdir(parents=True, exist_ok=True)
    with _lock(cache, progress) as lock:
        if image.is_dir():
            return image
        _remove_unfinished(cache)
        building = cache / f"{BUILDING}{recipe.digest}"
        _build(recipe, building, lock, progress)
        (building / "root").rename(image)
        shutil.rmtree(building)
    return image


def sweep(cache: Path = CACHE) -> tuple[str, ...]:
    """Half-built images are gone, unless a build is running. Returns the paths that were removed."""
    if not cache.is_dir():
        return ()
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return ()
        return _remove_unfinished(cache)


def _image_of(recipe: Recipe, cache: Path) -> Path:
    return cache / f"image-{recipe.digest}"


def _remove_unfinished(cache: Path) -> tuple[str, ...]:
    unfinished = tuple(sorted(cache.glob(f"{BUILDING}*")))
    for directory in unfinished:
        shutil.rmtree(directory)
    return tuple(str(directory) for directory in unfinished)


@contextmanager
def _lock(cache: Path, progress: Progress) -> Iterator[int]:
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another build of the image is running; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _build(recipe: Recipe, building: Path, lock: int, progress: Progress) -> None:
    settings = host_settings.gather(os.environ)
    inputs = building / "inputs"
    texts = {
        **settings.files,
        "openstack.lock": recipe.openstack_lock,
        "openstack-source.lock": recipe.openstack_source_lock,
        "finish.sh": recipe.finish,
        "environment": "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.environment.items()),
    }
    inputs.mkdir(parents=True, mode=0o700)
    scratch = building / "tmp"  # what a killed mmdebstrap leaves goes with the rest
    scratch.mkdir()
    for name, text in texts.items():
        target = inputs / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    inside = host_settings.BUILD_DIR
    command = (
        # Everything below dies when this process does, and its mounts with it.
        *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
        *("mmdebstrap", "--mode=root", "--variant=apt", f"--include={','.join(recipe.packages)}"),
        '--aptopt=APT::Install-Recommends "false"',
        *(f"--aptopt={proxy}" for proxy in host_settings.apt_proxies()),
        *(f"--dpkgopt=path-exclude={path}/*" for path in ("/usr/share/man", "/usr/share/doc", "/usr/share/locale")),
        f'--customize-hook=mkdir -p "$1{inside}" && cp -r "{inputs}/." "$1{inside}/"',
        f'--customize-hook=env -u TMPDIR chroot "$1" sh {inside}/finish.sh',
        f'--customize-hook=rm -rf "$1{inside}"',
        *(SUITE, str(building / "root")),
    )
    progress("building the base image, once: Debian packages, then OpenStack (a few minutes, about 2 GB)")
    _run(command, lock, scratch, progress)


def _run(command: tuple[str, ...], lock: int, scratch: Path, progress: Progress) -> None:
    last: deque[str] = deque(maxlen=OUTPUT_KEPT_LINES)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        bufsize=1,
        pass_fds=(lock,),
        env={**os.environ, "LC_ALL": "C.UTF-8", "TMPDIR": str(scratch)},
    ) as process:
        for line in process.stdout or ():
            text = line.strip()
            last.append(text)
            if text.startswith(TALK_PREFIXES) and not any(word in text for word in NOISE):
                progress(text.split(": ", 1)[1])
    if process.returncode != 0:
        output = "\n".join(last)
        raise RefusedError(
            f"the base image could not be built (exit {process.returncode}); the end of its output:\n{output}",
            code=process.returncode,
            output=output,
            hint="it needs a Debian mirror and a Python package index: look at the network, proxy and certificates",
        )
