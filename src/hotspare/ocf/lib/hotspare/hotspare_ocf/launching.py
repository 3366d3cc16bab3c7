"""Launching a daemon: a session of its own, nothing inherited but what is given."""

from __future__ import annotations

import os
import pwd
import signal

from hotspare_ocf import codes, identity, whole_file
from hotspare_ocf.codes import OcfError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_UMASK = 0o022
_CLONE_NEWUTS = 0x04000000  # sched.h


def find_binary(name: str) -> str | None:
    """Absolute path of an executable, looked for in the path that agents get."""
    candidates = [name] if "/" in name else [f"{directory}/{name}" for directory in PATH.split(":")]
    return next((path for path in candidates if os.path.isfile(path) and os.access(path, os.X_OK)), None)


def may_read(account: pwd.struct_passwd, status: os.stat_result) -> bool:
    """Whether the file's mode lets the user read it. Source: path_resolution(7); access control lists are not seen."""
    if account.pw_uid in (0, status.st_uid):
        return account.pw_uid == 0 or bool(status.st_mode & 0o400)
    if status.st_gid in os.getgrouplist(account.pw_name, account.pw_gid):
        return bool(status.st_mode & 0o040)
    return bool(status.st_mode & 0o004)


def launch(
    arguments: list[str],
    *,
    user: str,
    log_file: str,
    pid_file: str,
    hostname: str = "",
    environ: dict[str, str] | None = None,
    nice: int = 0,
) -> identity.Process:
    """The daemon runs: leader of its session, cwd /, no descriptor of ours, output appended to its log file, pid file
    written. With a `hostname` it sees that name, and nobody else does. `environ` is what it gets besides the usual.
    `nice` is its nice value, and that of what it starts; 0: this process's own.

    The child writes the pid file before it becomes the daemon, so no daemon is ever without one, however early this
    process is killed.

    Raises:
        OcfError: it could not be started; the reason names the file.
    """
    account = pwd.getpwnam(user)
    _prepare_log(log_file, account.pw_uid, account.pw_gid)
    os.makedirs(os.path.dirname(pid_file), mode=0o755, exist_ok=True)
    reader, writer = os.pipe()  # close-on-exec: its end without a word means that exec succeeded
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            if hostname:
                _be_called(hostname)
            os.setsid()
            if nice:
                _let_others_go_first(nice)
            _become(arguments, account, log_file, pid_file, environ or {}, keep=writer)
        except BaseException as error:  # noqa: BLE001 whatever it is, the parent has to hear it
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(127)
    os.close(writer)
    complaint = b""
    while piece := os.read(reader, 4096):
        complaint += piece
    os.close(reader)
    now = identity.stat(pid)
    if complaint or now is None:
        os.waitpid(pid, 0)
        raise OcfError(codes.ERR_GENERIC, f"{arguments[0]} could not be started: {complaint.decode(errors='replace')}")
    return identity.Process(pid, now.start_ticks)


def _let_others_go_first(nice: int) -> None:
    """This process and its session have the nice value. Where sessions are scheduled as groups, a process's own value
    counts within its session only: whatever it is, an agent and its helpers take as much of the cores as Open vSwitch.

    Source: sched(7), "The autogroup feature".
    """
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    try:
        with open("/proc/self/autogroup", "w", encoding="ascii") as file:
            file.write(str(nice))
    except OSError:
        pass  # a kernel without


def _become(
    arguments: list[str],
    account: pwd.struct_passwd,
    log_file: str,
    pid_file: str,
    more: dict[str, str],
    *,
    keep: int,
) -> None:
    """The calling child is the daemon; never returns."""
    os.chdir("/")
    os.umask(_UMASK)
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    log = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o640)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, keep)
    os.closerange(keep + 1, 65536)
    itself = identity.stat(os.getpid())
    if itself is None:
        raise RuntimeError("/proc is not mounted")
    whole_file.write(pid_file, identity.pid_file_text(identity.Process(itself.pid, itself.start_ticks)).decode())
    if account.pw_uid != os.geteuid():
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    environ = {
        "PATH": PATH,
        "HOME": account.pw_dir,
        "USER": account.pw_name,
        "LOGNAME": account.pw_name,
        "LANG": "C.UTF-8",
        **more,
    }
    os.execve(arguments[0], arguments, environ)


def _be_called(hostname: str) -> None:
    """The calling process is in a UTS namespace of its own with that name. Source: uts_namespaces(7), unshare(2)."""
    import ctypes
    import socket

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUTS) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), hostname)
    socket.sethostname(hostname)


def _prepare_log(path: str, uid: int, gid: int) -> None:
    """The log file is there and belongs to the daemon's user."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    except OSError as error:
        raise OcfError(codes.ERR_INSTALLED, f"parameter log_file: {path}: {error.strerror}") from error
    try:
        if os.fstat(descriptor).st_uid != uid:
            os.fchown(descriptor, uid, gid)
    finally:
        os.close(descriptor)
