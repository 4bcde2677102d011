/* What a worker that was taken over, and a program that a script started, would try with system calls of their own.
 *
 * Each attack is one line: its name, what the kernel has to say in a worker, what it has to say in a program, and the
 * call. An errno is the kernel's refusal; KILLED is its end; OK is for what does no harm, so that the table shows it.
 * Built as a library it is loaded by a worker before it is confined; built as a program it is started by one.
 * The world is at $W: open/ may be read, out/ may be written, secret/ neither. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <asm/sockios.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <netinet/in.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif

static pid_t parent, group;
__attribute__((constructor)) static void before(void) {
    parent = getppid();
    group = getpgid(parent);
}

static char buffers[4][4096];

static const char *at(const char *name) {
    static int next;
    char *buffer = buffers[next++ % 4];
    const char *w = getenv("W");
    snprintf(buffer, sizeof buffers[0], "%s/%s", w ? w : "/nowhere", name);
    return buffer;
}

static const char *from(const char *start, const char *name) {
    static char buffer[8192];
    snprintf(buffer, sizeof buffer, "%s%s", start, at(name));
    return buffer;
}

/* Opens for reading and reads a byte, which is what counts. */
static long reads(int fd) {
    char byte;
    return fd < 0 ? -1 : read(fd, &byte, 1) < 0 ? -1 : 0;
}

static long opens(const char *path) { return reads(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)); }
static long writes(const char *path, int flags) {
    int fd = open(path, O_WRONLY | flags, 0600);
    return fd < 0 ? -1 : write(fd, "x", 1);
}

/* Cuts what it is not let to write: opened for reading or for nothing, by a name, by a descriptor of a name. */
static long cuts(const char *path, int mode) { return open(path, mode | O_TRUNC | O_CLOEXEC); }

static long cuts_by_openat2(const char *path, int mode) {
    struct { unsigned long long flags, mode, resolve; } how = {mode | O_TRUNC, 0, 0};
    return syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

static long cuts_what_it_reads(void) {
    int fd = open(at("open/app.log"), O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -1 : ftruncate(fd, 0);
}

static long cuts_by_path_descriptor(void) {
    char path[64];
    int fd = open(at("secret/key"), O_PATH | O_CLOEXEC);
    if (fd < 0) return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return cuts(path, O_ACCMODE);
}

/* Cuts what it may write. */
static long cuts_out(void) {
    int fd = open(at("out/cut"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? -1 : ftruncate(fd, 0);
}

/* Cuts what the policy has it add to. */
static long cuts_notes(int flags) {
    int fd = open(at("open/notes"), O_WRONLY | flags | O_CLOEXEC);
    return fd < 0 ? -1 : ftruncate(fd, 0);
}

static long reopened(void) {
    char path[64];
    int fd = open(at("secret/key"), O_PATH | O_CLOEXEC);
    if (fd < 0) return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return opens(path);
}

static long by_directory(const char *directory, const char *name) {
    int fd = open(at(directory), O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : reads(openat(fd, name, O_RDONLY | O_CLOEXEC));
}

static long listed(const char *path) {
    char entries[512];
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : syscall(SYS_getdents64, fd, entries, sizeof entries);
}

static long by_openat2(const char *path) {
    struct { unsigned long long flags, mode, resolve; } how = {O_RDONLY, 0, 0};
    return reads(syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how));
}

static long handle(void) {
    union { struct file_handle handle; char space[256]; } it;
    int mount;
    it.handle.handle_bytes = 128;
    syscall(SYS_name_to_handle_at, AT_FDCWD, at("secret/key"), &it.handle, &mount, 0);
    return syscall(SYS_open_by_handle_at, AT_FDCWD, &it.handle, O_RDONLY);
}

static long mapped(int prot) {
    void *page = mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? -1 : 0;
}

static long then_runs(void) {
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? -1 : mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static long sends(int family, int type) { return socket(family, type | SOCK_CLOEXEC, 0); }

static long vsock(void) { return sends(40, SOCK_STREAM); }

static long executes(const char *path) {
    char *const nothing[] = {(char *)"x", NULL};
    return execve(path, nothing, nothing + 1);
}

static long from_memory(void) {
    int fd = syscall(SYS_memfd_create, "x", 0);
    char *const nothing[] = {(char *)"x", NULL};
    if (fd < 0) return -1;
    return syscall(SYS_execveat, fd, "", nothing, nothing + 1, 0x1000);
}

static long own(const char *name) {
    int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    if (fd < 0) return -1;
    if (write(fd, "#!/bin/sh\n", 10) < 0) return -1;
    close(fd);
    return executes(at(name));
}

static long forks(void) {
    long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    return pid;
}

static long bomb(void) {
    for (int count = 0; count < 64; count++) {
        long pid = fork();
        if (pid < 0) return -1;
        if (pid == 0) _exit(0);
    }
    return 0;
}

static long space(unsigned long flag) {
    long pid = syscall(SYS_clone, flag | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    return pid;
}

static long clone3(unsigned long long flags) {
    unsigned long long args[11] = {flags, 0, 0, 0, SIGCHLD};
    long pid = syscall(SYS_clone3, args, 88);
    if (pid == 0) _exit(0);
    return pid;
}

static long raises(void) {
    struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};
    return setrlimit(RLIMIT_AS, &more);
}

static long others_limits(void) {
    struct rlimit none = {0, 0};
    return syscall(SYS_prlimit64, parent, RLIMIT_NOFILE, &none, NULL);
}

static long memory(void) {
    /* Far above any bound that a test gives. */
    void *much = mmap(NULL, 1UL << 40, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return much == MAP_FAILED ? -1 : 0;
}

static long large_file(void) {
    int fd = open(at("out/large"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    signal(SIGXFSZ, SIG_IGN);
    return fd < 0 ? -1 : pwrite(fd, "x", 1, 1L << 40);
}

static long descriptors(void) {
    for (int count = 0; count < 100000; count++)
        if (fcntl(2, F_DUPFD_CLOEXEC, 3) < 0) return -1;
    return 0;
}

static long reads_memory(void) {
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)0x10000, 1};
    return syscall(SYS_process_vm_readv, parent, &here, 1, &there, 1, 0);
}

static long of_parent(const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", parent, name);
    return opens(path);
}

static long relaxes(void) {
    int fd = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    return fd < 0 ? -1 : 0;
}

static long links_to_secret(void) {
    if (symlink(at("secret/key"), at("out/way")) < 0) return -1;
    return opens(at("out/way"));
}

static long moves_away(void) { return rename(at("secret/key"), at("out/key")); }
static long moves_over(void) {
    if (writes(at("out/new"), O_CREAT) < 0) return -1;
    return rename(at("out/new"), at("secret/key"));
}
static long swaps(void) {
    return syscall(SYS_renameat2, AT_FDCWD, at("out/dir"), AT_FDCWD, at("secret/dir"), 2);
}

static long sets_attribute(const char *name) { return setxattr(at(name), "user.x", "x", 1, 0); }

static long connects(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = sends(AF_UNIX, SOCK_STREAM);
    if (fd < 0) return -1;
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

static long abstract(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0rex-escape"};
    int fd = sends(AF_UNIX, SOCK_DGRAM);
    return fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t) + 11);
}

static long types(void) {
    char c = 'x';
    return ioctl(0, TIOCSTI, &c);
}

/* Has the kernel signal the parent when a descriptor is ready. */
static long signals_by_owner(void) {
    int ends[2];
    if (pipe(ends) || fcntl(ends[0], F_SETOWN, parent) || fcntl(ends[0], F_SETSIG, SIGKILL)) return -1;
    if (fcntl(ends[0], F_SETFL, O_ASYNC)) return -1;
    return write(ends[1], "x", 1);
}

static long signals_by_request(void) {
    int ends[2], owner = parent, on = 1;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) return -1;
    if (ioctl(ends[0], FIOSETOWN, &owner) || ioctl(ends[0], FIOASYNC, &on)) return -1;
    return write(ends[1], "x", 1);
}

/* Asks a device something that is for devices alone. */
static long controls_device(void) {
    unsigned long size;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -1 : ioctl(fd, BLKGETSIZE, &size);
}

/* Changes what is kept about a file that may only be read. */
static long asks_of_readable(unsigned long request) {
    long nothing[16] = {0};
    int fd = open(at("open/app.log"), O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -1 : ioctl(fd, request, nothing);
}

static long controls_readable(int command, long value) {
    int fd = open(at("open"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fcntl(fd, command, value);
}

static long asks_of_pipe(unsigned long request) {
    int ends[2], count;
    return pipe2(ends, O_CLOEXEC) ? -1 : ioctl(ends[0], request, &count);
}

struct attack {
    const char *name, *worker, *program;
    long (*run)(void);
};

#define A(name) static long name(void)
#define ATTACKS(X) \
    /* Names of what may not be read. */ \
    X(read_secret, "EACCES", "EACCES", opens(at("secret/key"))) \
    X(read_by_dots, "EACCES", "EACCES", opens(at("open/../secret/key"))) \
    X(read_by_slashes, "EACCES", "EACCES", opens(at("/secret//./key"))) \
    X(read_by_link, "EACCES", "EACCES", opens(at("open/link"))) \
    X(read_by_directory_link, "EACCES", "EACCES", opens(at("open/dirlink/key"))) \
    X(read_by_proc_root, "EACCES", "EACCES", opens(from("/proc/self/root", "secret/key"))) \
    X(read_by_proc_cwd, "EACCES", "EACCES", opens(from("/proc/self/cwd/../../../../../../..", "secret/key"))) \
    X(read_by_task_root, "EACCES", "EACCES", opens(from("/proc/thread-self/root", "secret/key"))) \
    X(read_by_parent_root, "EACCES", "EACCES", opens(from("/proc/1/root", "secret/key"))) \
    X(read_by_descriptor, "EACCES", "EACCES", by_directory("open", "../secret/key")) \
    X(read_by_secret_descriptor, "EACCES", "EACCES", by_directory("secret", "key")) \
    X(read_by_openat2, "EACCES|EPERM", "EACCES|ENOSYS", by_openat2(at("secret/key"))) \
    X(read_by_path_descriptor, "EACCES", "EACCES", reopened()) \
    X(read_path_descriptor, "EBADF", "EBADF", reads(open(at("secret/key"), O_PATH))) \
    X(read_by_handle, "KILLED", "EPERM", handle()) \
    X(read_by_creat, "EPERM", "EACCES", syscall(SYS_creat, at("secret/key"), 0600)) \
    X(read_shadow, "EACCES", "EACCES", opens("/etc/shadow")) \
    X(read_passwd, "EACCES", "EACCES", opens("/etc/passwd")) \
    X(read_disk, "EACCES", "EACCES", listed("/dev")) \
    X(read_kernel_log, "EACCES", "EACCES", opens("/proc/kmsg")) \
    X(read_own_environment, "EACCES", "EACCES", opens("/proc/self/environ")) \
    X(read_parents_environment, "EACCES", "EACCES", of_parent("environ")) \
    X(read_parents_memory, "EACCES", "EACCES", of_parent("mem")) \
    X(read_parents_maps, "EACCES", "EACCES", of_parent("maps")) \
    X(write_own_memory, "EACCES", "EACCES", writes("/proc/self/mem", 0)) \
    X(write_oom_score, "EACCES", "EACCES", writes("/proc/self/oom_score_adj", 0)) \
    X(list_secret, "EACCES", "EACCES", listed(at("secret"))) \
    X(list_root, "EACCES", "EACCES", listed("/")) \
    X(list_proc, "EACCES", "EACCES", listed("/proc")) \
    X(read_open, "OK", "OK", opens(at("open/app.log"))) \
    /* Changes of what may not be changed. */ \
    X(write_secret, "EACCES", "EACCES", writes(at("secret/key"), 0)) \
    X(append_secret, "EACCES", "EACCES", writes(at("secret/key"), O_APPEND)) \
    X(truncate_secret, "EACCES|EPERM", "EACCES|EPERM", cuts(at("secret/key"), O_RDONLY)) \
    X(truncate_by_name, "EPERM", "EACCES|EPERM", truncate(at("secret/key"), 0)) \
    X(truncate_readable_by_name, "EPERM", "EACCES|EPERM", truncate(at("open/app.log"), 0)) \
    X(truncate_readable, "EACCES|EPERM", "EACCES|EPERM", cuts(at("open/app.log"), O_RDONLY)) \
    X(truncate_unopened, "EACCES|EPERM", "EACCES|EPERM", cuts(at("secret/key"), O_ACCMODE)) \
    X(truncate_readable_unopened, "EACCES|EPERM", "EACCES|EPERM", cuts(at("open/app.log"), O_ACCMODE)) \
    X(truncate_by_openat2, "EACCES|EPERM", "EACCES|ENOSYS", cuts_by_openat2(at("secret/key"), O_ACCMODE)) \
    X(truncate_readable_by_openat2, "EACCES|EPERM", "EACCES|ENOSYS", cuts_by_openat2(at("open/app.log"), O_RDONLY)) \
    X(truncate_by_link, "EACCES|EPERM", "EACCES|EPERM", cuts(at("open/link"), O_ACCMODE)) \
    X(truncate_by_path_descriptor, "EACCES|EPERM", "EACCES|EPERM", cuts_by_path_descriptor()) \
    X(truncate_by_reader, "EINVAL|EPERM", "EINVAL", cuts_what_it_reads()) \
    X(truncate_notes, "EACCES|EPERM", "EACCES", cuts_notes(0)) \
    X(truncate_notes_by_open, "EACCES|EPERM", "EACCES", cuts_notes(O_TRUNC)) \
    X(truncate_out, "OK|EPERM", "OK", cuts_out()) \
    X(truncate_out_by_open, "OK|EPERM", "OK", open(at("out/fine"), O_WRONLY | O_CREAT | O_TRUNC, 0600)) \
    X(write_readable, "EACCES", "EACCES", writes(at("open/app.log"), 0)) \
    X(write_by_link, "EACCES", "EACCES", writes(at("open/link"), 0)) \
    X(create_in_secret, "EACCES", "EACCES", writes(at("secret/new"), O_CREAT)) \
    X(create_in_readable, "EACCES", "EACCES", writes(at("open/new"), O_CREAT)) \
    X(create_in_etc, "EACCES", "EACCES", writes("/etc/rex-escape", O_CREAT)) \
    X(create_in_tmp, "EACCES", "EACCES", writes("/tmp/rex-escape", O_CREAT)) \
    X(create_nameless, "EACCES", "EACCES", open("/tmp", O_TMPFILE | O_RDWR, 0600)) \
    X(make_directory, "EACCES", "EACCES", mkdirat(AT_FDCWD, at("secret/d"), 0700)) \
    X(remove_secret, "EACCES", "EACCES", unlinkat(AT_FDCWD, at("secret/key"), 0)) \
    X(remove_readable, "EACCES", "EACCES", unlinkat(AT_FDCWD, at("open/app.log"), 0)) \
    X(remove_directory, "EACCES", "EACCES", unlinkat(AT_FDCWD, at("secret/dir"), AT_REMOVEDIR)) \
    X(move_secret_away, "EXDEV|EACCES|EPERM", "EXDEV|EACCES", moves_away()) \
    X(move_over_secret, "EXDEV|EACCES|EPERM", "EXDEV|EACCES", moves_over()) \
    X(swap_directories, "EXDEV|EACCES", "EXDEV|EACCES", swaps()) \
    X(hard_link_out, "EPERM", "EXDEV|EACCES", link(at("secret/key"), at("out/hard"))) \
    X(symlink_out, "EPERM", "EACCES", links_to_secret()) \
    X(make_fifo, "EPERM", "EACCES", mknodat(AT_FDCWD, at("out/fifo"), S_IFIFO | 0600, 0)) \
    X(make_device, "EPERM", "EPERM|EACCES", mknodat(AT_FDCWD, at("out/disk"), S_IFBLK | 0600, 0x800)) \
    X(change_mode, "EPERM", "EPERM", chmod(at("secret/key"), 0666)) \
    X(change_mode_at, "EPERM", "EPERM", syscall(SYS_fchmodat, AT_FDCWD, at("secret/key"), 0666)) \
    X(change_mode_2, "EPERM", "EPERM", syscall(SYS_fchmodat2, AT_FDCWD, at("secret/key"), 0666, 0)) \
    X(change_owner, "EPERM", "EPERM", chown(at("secret/key"), 1, 1)) \
    X(change_owner_at, "EPERM", "EPERM", fchownat(AT_FDCWD, at("secret/key"), 1, 1, 0)) \
    X(change_times, "EPERM", "EPERM", utimensat(AT_FDCWD, at("secret/key"), NULL, 0)) \
    X(change_attribute, "EPERM", "EPERM", sets_attribute("secret/key")) \
    X(change_flags, "EPERM", "EPERM", asks_of_readable(FS_IOC_SETFLAGS)) \
    X(change_version, "EPERM", "EPERM", asks_of_readable(_IOW('v', 2, long))) \
    X(change_project, "EPERM", "EPERM", asks_of_readable(FS_IOC_FSSETXATTR)) \
    X(enable_verity, "EPERM", "EPERM", asks_of_readable(0x40806685)) \
    X(change_label, "EPERM", "EPERM", asks_of_readable(FS_IOC_SETFSLABEL)) \
    X(watch_by_descriptor, "EPERM", "EPERM", controls_readable(F_NOTIFY, DN_CREATE)) \
    X(lease, "EPERM", "EPERM", controls_readable(F_SETLEASE, F_RDLCK)) \
    X(count_pipe, "EPERM", "OK", asks_of_pipe(FIONREAD)) \
    X(watch_secret, "EPERM", "EPERM", syscall(SYS_inotify_init1, 0)) \
    X(watch_everything, "EPERM", "EPERM", syscall(SYS_fanotify_init, 0, 0)) \
    X(large_file, "EFBIG", "EFBIG", large_file()) \
    X(write_out, "OK", "OK", writes(at("out/fine"), O_CREAT)) \
    /* Programs and processes. */ \
    X(run_shell, "EPERM", "EACCES", executes("/bin/sh")) \
    X(run_true, "EPERM", "EACCES", executes("/usr/bin/true")) \
    X(run_setuid, "EPERM", "EACCES", executes("/usr/bin/su")) \
    X(run_own, "EPERM", "EACCES", own("out/own")) \
    X(run_memory, "KILLED", "EPERM", from_memory()) \
    X(run_by_descriptor, "EPERM", "EACCES", syscall(SYS_execveat, AT_FDCWD, "/bin/sh", NULL, NULL, 0)) \
    X(fork_one, "EPERM", "EPERM", forks()) \
    X(fork_old, "EPERM", "EPERM", syscall(SYS_fork)) \
    X(fork_bomb, "EPERM", "EPERM", bomb()) \
    X(fork_by_clone3, "ENOSYS", "ENOSYS", clone3(0)) \
    X(runnable_memory, "EPERM", "OK", mapped(PROT_READ | PROT_WRITE | PROT_EXEC)) \
    X(written_then_run, "EPERM", "OK", then_runs()) \
    X(own_session, "EPERM", "EPERM", syscall(SYS_setsid)) \
    X(own_group, "EPERM", "EPERM", setpgid(0, 0)) \
    X(trace_parent, "KILLED", "EPERM", ptrace(PTRACE_ATTACH, parent, 0, 0)) \
    X(trace_itself, "KILLED", "EPERM", ptrace(PTRACE_TRACEME, 0, 0, 0)) \
    X(memory_of_parent, "KILLED", "EPERM", reads_memory()) \
    X(descriptor_of_parent, "KILLED", "EPERM", syscall(SYS_pidfd_getfd, 0, 0, 0)) \
    X(signal_parent, "EPERM", "EPERM", kill(parent, 0)) \
    X(signal_group, "EPERM", "EPERM", kill(-group, 0)) \
    X(signal_init, "EPERM", "EPERM", kill(1, 0)) \
    X(signal_thread_of_parent, "EPERM", "EPERM", syscall(SYS_tgkill, parent, parent, 0)) \
    X(signal_by_queue, "EPERM", "EPERM", sigqueue(parent, 0, (union sigval){0})) \
    X(signal_by_descriptor, "EPERM", "EPERM", syscall(SYS_pidfd_send_signal, 0, 0, NULL, 0)) \
    X(signal_by_owner, "EPERM", "OK|EPERM", signals_by_owner()) \
    X(signal_by_request, "EPERM", "OK|EPERM", signals_by_request()) \
    X(control_device, "EACCES", "EACCES|EPERM", controls_device()) \
    X(slow_parent, "EPERM", "EPERM", setpriority(PRIO_PROCESS, parent, 19)) \
    X(limit_parent, "EPERM", "EPERM", others_limits()) \
    X(pin_parent, "EPERM", "EPERM", syscall(SYS_sched_setaffinity, parent, 8, "\1\0\0\0\0\0\0")) \
    X(raise_limits, "EPERM", "EPERM", raises()) \
    X(memory_bomb, "ENOMEM", "ENOMEM", memory()) \
    X(descriptor_bomb, "EMFILE", "EMFILE", descriptors()) \
    /* Network and other ways to talk. */ \
    X(socket_tcp, "EPERM", "EPERM", sends(AF_INET, SOCK_STREAM)) \
    X(socket_tcp6, "EPERM", "EPERM", sends(AF_INET6, SOCK_STREAM)) \
    X(socket_udp, "EPERM", "EPERM", sends(AF_INET, SOCK_DGRAM)) \
    X(socket_raw, "EPERM", "EPERM", sends(AF_INET, SOCK_RAW)) \
    X(socket_packet, "EPERM", "EPERM", sends(17, SOCK_RAW)) \
    X(socket_netlink, "EPERM", "EPERM", sends(16, SOCK_RAW)) \
    X(socket_vsock, "EPERM", "EPERM", vsock()) \
    X(socket_alg, "EPERM", "EPERM", sends(38, SOCK_SEQPACKET)) \
    X(socket_bus, "EPERM", "EPERM", connects("/run/dbus/system_bus_socket")) \
    X(socket_abstract, "EPERM", "EPERM", abstract()) \
    X(io_uring, "KILLED", "EPERM", syscall(SYS_io_uring_setup, 8, NULL)) \
    X(written_later, "EPERM", "ENOSYS", syscall(SYS_io_setup, 1, buffers)) \
    X(pipe_passed_on, "EPERM", "ENOSYS", syscall(SYS_tee, 0, 1, 8, 0)) \
    X(not_dumpable, "EPERM", "EPERM", prctl(PR_SET_DUMPABLE, 0)) \
    X(shared_memory, "EPERM", "EPERM", shmget(IPC_PRIVATE, 4096, 0600)) \
    X(message_queue, "EPERM", "EPERM", syscall(SYS_msgget, 1, 0600 | IPC_CREAT)) \
    X(semaphore, "EPERM", "EPERM", syscall(SYS_semget, 1, 1, 0600 | IPC_CREAT)) \
    X(memory_by_number, "EPERM", "EPERM", syscall(SYS_shmctl, 0, IPC_RMID, NULL)) \
    X(memory_let_go, "EPERM", "EPERM", syscall(SYS_shmdt, 0)) \
    X(message_received, "EPERM", "EPERM", syscall(SYS_msgrcv, 0, buffers[0], 8, 0, IPC_NOWAIT)) \
    X(message_sent, "EPERM", "EPERM", syscall(SYS_msgsnd, 0, "\1\0\0\0\0\0\0\0x", 1, IPC_NOWAIT)) \
    X(queue_removed, "EPERM", "EPERM", syscall(SYS_msgctl, 0, IPC_RMID, NULL)) \
    X(semaphore_taken, "EPERM", "EPERM", syscall(SYS_semop, 0, buffers[0], 1)) \
    X(semaphore_taken_in_time, "EPERM", "EPERM", syscall(SYS_semtimedop, 0, buffers[0], 1, NULL)) \
    X(semaphore_removed, "EPERM", "EPERM", syscall(SYS_semctl, 0, 0, IPC_RMID, 0)) \
    X(posix_message_sent, "EPERM", "EPERM", syscall(SYS_mq_timedsend, 0, "x", 1, 0, NULL)) \
    X(posix_message_received, "EPERM", "EPERM", syscall(SYS_mq_timedreceive, 0, buffers[0], 1, NULL, NULL)) \
    X(posix_queue, "EPERM", "EPERM", syscall(SYS_mq_open, "x", O_CREAT | O_RDWR, 0600, NULL)) \
    X(type_at_terminal, "EPERM", "EPERM", types()) \
    /* The kernel, and the confinement itself. */ \
    X(new_user_space, "EPERM", "EPERM", space(CLONE_NEWUSER)) \
    X(new_mount_space, "EPERM", "EPERM", space(CLONE_NEWNS)) \
    X(new_process_space, "EPERM", "EPERM", space(CLONE_NEWPID)) \
    X(unshare_user, "KILLED", "EPERM", unshare(CLONE_NEWUSER)) \
    X(join_space, "KILLED", "EPERM", setns(0, 0)) \
    X(mount_over, "KILLED", "EPERM", mount("none", at("out"), "tmpfs", 0, NULL)) \
    X(bind_mount, "KILLED", "EPERM", mount(at("secret"), at("out"), NULL, MS_BIND, NULL)) \
    X(change_root, "KILLED", "EPERM", chroot(at("secret"))) \
    X(pivot, "KILLED", "EPERM", syscall(SYS_pivot_root, "/", "/")) \
    X(load_program, "KILLED", "EPERM", syscall(SYS_bpf, 5, NULL, 0)) \
    X(count_events, "KILLED", "EPERM", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0)) \
    X(catch_faults, "KILLED", "EPERM", syscall(SYS_userfaultfd, 0)) \
    X(keyring, "KILLED", "EPERM", syscall(SYS_keyctl, 0, 0, 0, 0, 0)) \
    X(load_module, "KILLED", "EPERM", syscall(SYS_finit_module, 0, "", 0)) \
    X(load_kernel, "KILLED", "EPERM", syscall(SYS_kexec_load, 0, 0, NULL, 0)) \
    X(reboot, "KILLED", "EPERM", syscall(SYS_reboot, 0xfee1dead, 0x28121969, 0, NULL)) \
    X(set_clock, "KILLED", "EPERM", syscall(SYS_clock_settime, 0, NULL)) \
    X(another_filter, "KILLED", "EPERM", syscall(SYS_seccomp, 1, 0, NULL)) \
    X(another_ruleset, "EPERM", "OK", relaxes()) \
    X(dumpable, "EPERM", "EPERM", prctl(PR_SET_DUMPABLE, 1)) \
    X(outlive_parent, "EPERM", "EPERM", prctl(PR_SET_PDEATHSIG, 0)) \
    X(be_traced, "EPERM", "EPERM", prctl(0x59616d61, -1L)) \
    X(adopt, "EPERM", "EPERM", prctl(PR_SET_CHILD_SUBREAPER, 1)) \
    X(filter_by_option, "EPERM", "EPERM", prctl(PR_SET_SECCOMP, 1, 0, 0, 0)) \
    X(own_name, "OK", "OK", prctl(PR_SET_NAME, "x")) \
    X(ambient, "EPERM", "EPERM", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 1, 0, 0)) \
    X(become_root, "EPERM", "OK|EPERM", setuid(0)) \
    X(become_other, "EPERM", "EPERM|EINVAL", setuid(12345)) \
    X(unknown_call, "EPERM", "EPERM", syscall(999))

#define FUNCTION(name, worker, program, call) A(name##_) { return call; }
ATTACKS(FUNCTION)
#define ROW(name, worker, program, call) {#name, worker, program, name##_},
static const struct attack attacks[] = {ATTACKS(ROW)};
static const int count = sizeof attacks / sizeof *attacks;

/* Runs an attack: its errno, or 0 if it worked; -1 if there is none of that name. */
int attack(const char *name) {
    for (int i = 0; i < count; i++)
        if (!strcmp(attacks[i].name, name)) {
            errno = 0;
            return attacks[i].run() < 0 ? errno : 0;
        }
    return -1;
}

int main(int argc, char **argv) {
    if (argc == 2) return attack(argv[1]) & 255;
    for (int i = 0; i < count; i++) printf("%s %s %s\n", attacks[i].name, attacks[i].worker, attacks[i].program);
    return 0;
}
