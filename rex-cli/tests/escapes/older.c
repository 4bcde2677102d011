/* Starts a program on a kernel whose Landlock is of an older version: `older VERSION PROGRAM ARGUMENT...`.
 *
 * Whoever asks the kernel for the version is told this one, and so asks for no newer right. What a kernel does with the rights that
 * nobody asked for is what the older one does: it cuts files that are only read, and moves none to another directory. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The third argument of the call, of which the low half has all flags. */
#define FLAGS offsetof(struct seccomp_data, args[2])

static struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FLAGS),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, LANDLOCK_CREATE_RULESET_VERSION, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static void fail(const char *what) {
    perror(what);
    _exit(1);
}

static void give(int to, int fd) {
    char byte = 0, space[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    if (sendmsg(to, &message, 0) != 1) fail("sendmsg");
}

static int take(int from) {
    int fd;
    char byte, space[CMSG_SPACE(sizeof fd)];
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message)) fail("recvmsg");
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

static pid_t child;
static void pass(int number) { kill(child, number); }

int main(int argc, char **argv) {
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    int sockets[2], status;
    if (argc < 3) return 1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets)) fail("socketpair");
    if ((child = fork()) == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) fail("no_new_privs");
        int listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
        if (listener < 0) fail("seccomp");
        give(sockets[1], listener);
        close(listener);
        execv(argv[2], argv + 2);
        fail(argv[2]);
    }
    signal(SIGTERM, pass);
    close(sockets[1]);
    /* Until the program ends. */
    struct pollfd ready[] = {
        {.fd = take(sockets[0]), .events = POLLIN},
        {.fd = syscall(SYS_pidfd_open, child, 0), .events = POLLIN},
    };
    while ((poll(ready, 2, -1) >= 0 || errno == EINTR) && !(ready[1].revents & POLLIN)) {
        if (ready[0].revents & POLLIN) {
            struct seccomp_notif question = {0};
            if (ioctl(ready[0].fd, SECCOMP_IOCTL_NOTIF_RECV, &question)) continue;
            struct seccomp_notif_resp answer = {.id = question.id, .val = atoi(argv[1])};
            ioctl(ready[0].fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
        }
        ready[1].revents = 0;
    }
    if (waitpid(child, &status, 0) != child) fail("waitpid");
    if (WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
        _exit(128 | WTERMSIG(status));
    }
    return WEXITSTATUS(status);
}
