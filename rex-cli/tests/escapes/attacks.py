"""What a Python program that a script started would try. One function for each attack; it ends with the errno that it met, 0
if it worked. `attacks.py` prints the table, `attacks.py NAME` tries one."""

import ctypes
import errno
import os
import sys

W = os.environ.get("W", "/nowhere")


def secret(path="secret/key"):
    return os.path.join(W, path)


def import_own():
    with open(secret("out/escape.py"), "w") as file:
        file.write("import os\nos.listdir('/root')\n")
    sys.path.insert(0, secret("out"))
    try:
        import escape  # noqa: F401
    except ModuleNotFoundError:
        raise OSError(errno.EACCES, "import") from None


def by_ctypes():
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = library.open(secret().encode(), os.O_RDONLY)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "open")


def trace_by_ctypes():
    library = ctypes.CDLL(None, use_errno=True)
    if library.ptrace(16, os.getppid(), None, None) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def by_subprocess():
    import subprocess

    subprocess.run(["/bin/cat", secret()], check=True)


def by_shell():
    status = os.system("cat " + secret())
    if status != 0:
        raise OSError(errno.EPERM, "system")


def by_spawn():
    os.posix_spawn("/bin/cat", ["cat", secret()], {})


def by_http():
    import urllib.request

    try:
        urllib.request.urlopen("http://127.0.0.1:1/", timeout=1)
    except urllib.error.URLError as error:
        raise error.reason


def by_name_service():
    import socket

    try:
        socket.getaddrinfo("localhost", 80)
    except socket.gaierror:
        # Without a socket and without /etc there is nobody to ask.
        raise OSError(errno.EPERM, "getaddrinfo") from None


def by_archive():
    import shutil

    shutil.make_archive(secret("out/all"), "tar", secret("secret"))


def by_walk():
    found = [name for _, _, names in os.walk(W + "/secret", onerror=raises) for name in names]
    if not found:
        raise OSError(errno.EACCES, "walk")


def raises(error):
    raise error


def by_temporary():
    import tempfile

    tempfile.mkstemp()


def descriptors():
    for descriptor in range(3, 256):
        try:
            os.fstat(descriptor)
            return
        except OSError:
            pass
    raise OSError(errno.EBADF, "fstat")


def environment():
    # Python itself sets the last one where there is no locale.
    if set(os.environ) <= {"W", "LC_CTYPE"}:
        raise OSError(errno.ENOENT, "environ")


def mask():
    if os.umask(0) & 0o022 == 0o022:
        raise OSError(errno.EPERM, "umask")


def standard_input():
    if os.read(0, 1) == b"":
        raise OSError(errno.ENODATA, "read")


def memory():
    try:
        return bytearray(1 << 40)
    except MemoryError:
        raise OSError(errno.ENOMEM, "bytearray") from None


def growing():
    kept = []
    try:
        while True:
            kept.append(bytearray(16 << 20))
    except MemoryError:
        kept.clear()
        raise OSError(errno.ENOMEM, "bytearray") from None


def spinning():
    while True:
        pass


ATTACKS = {
    "open_secret": ("EACCES", lambda: open(secret())),
    "open_by_link": ("EACCES", lambda: open(secret("open/link"))),
    "open_shadow": ("EACCES", lambda: open("/etc/shadow")),
    "open_by_proc": ("EACCES", lambda: open("/proc/self/root" + secret())),
    "open_by_directory": ("EACCES", lambda: os.open("key", os.O_RDONLY, dir_fd=os.open(secret("secret"), os.O_PATH))),
    "open_by_ctypes": ("EACCES", by_ctypes),
    "list_secret": ("EACCES", lambda: os.listdir(secret("secret"))),
    "walk_secret": ("EACCES", by_walk),
    "archive_secret": ("EACCES", by_archive),
    "write_secret": ("EACCES", lambda: open(secret(), "w")),
    "write_readable": ("EACCES", lambda: open(secret("open/app.log"), "a")),
    "remove_secret": ("EACCES", lambda: os.remove(secret())),
    "link_secret": ("EACCES|EXDEV", lambda: os.link(secret(), secret("out/l"))),
    "symlink_secret": ("EACCES", lambda: os.symlink(secret(), secret("out/s"))),
    "replace_secret": ("EACCES|EXDEV", lambda: os.replace(secret("open/app.log"), secret())),
    "mode_of_secret": ("EPERM", lambda: os.chmod(secret(), 0o666)),
    "times_of_secret": ("EPERM", lambda: os.utime(secret())),
    "temporary_file": ("ENOENT|EACCES", by_temporary),
    "run_by_subprocess": ("EPERM|EACCES", by_subprocess),
    "run_by_shell": ("EPERM", by_shell),
    "run_by_spawn": ("EPERM|EACCES", by_spawn),
    "run_by_exec": ("EACCES", lambda: os.execv("/bin/sh", ["sh"])),
    "run_itself": ("OK", lambda: os.execv(sys.executable or "/usr/bin/python3", ["python3", "-S", "-c", "0"])),
    "run_by_loader": ("OK", lambda: os.execv("/lib64/ld-linux-x86-64.so.2", ["ld.so", "--version"])),
    # The loader runs, and says with status 127 that it cannot read what it is to load.
    "run_shell_by_loader": ("EKEYEXPIRED", lambda: os.execv("/lib64/ld-linux-x86-64.so.2", ["ld.so", "/bin/sh", "-c", "exit 0"])),
    "fork": ("EPERM", os.fork),
    "import_own": ("EACCES", import_own),
    "signal_parent": ("EPERM", lambda: os.kill(os.getppid(), 9)),
    "trace_parent": ("EPERM", trace_by_ctypes),
    "http": ("EPERM", by_http),
    "name_service": ("EPERM", by_name_service),
    "inherited_descriptor": ("EBADF", descriptors),
    "inherited_environment": ("ENOENT", environment),
    "inherited_mask": ("EPERM", mask),
    "inherited_input": ("ENODATA", standard_input),
    "memory_at_once": ("ENOMEM", memory),
    "memory_by_and_by": ("ENOMEM", growing),
    "spin": ("KILLED", spinning),
    "session": ("EPERM", os.setsid),
    "read_open": ("OK", lambda: open(secret("open/app.log")).read()),
    "write_out": ("OK", lambda: open(secret("out/python"), "w").write("fine")),
}

if len(sys.argv) > 1:
    try:
        ATTACKS[sys.argv[1]][1]()
    except OSError as error:
        sys.exit(error.errno)
else:
    for name, (expected, _) in ATTACKS.items():
        print(name, expected)
