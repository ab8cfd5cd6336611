// SPDX-License-Identifier: GPL-3.0-or-later
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/perf_event.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

int crd_memfd_create(const char *name) {
    const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    // It is created with mode 0777, which would allow any holder to set attributes on it.
    if (fd != -1) fchmod(fd, 0444);
    return fd;
}

int crd_memfd_seal(int fd) {
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

void crd_trim_memory(void) { malloc_trim(0); }

int crd_reserve_page(int fd) { return fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1); }

void crd_ask_file_system(const char *path) {
    struct statx status;
    (void)!statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status);
}

int crd_pipe(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) == -1) return -1;
    if (fcntl(ends[0], F_SETFL, O_RDONLY | O_NONBLOCK) == 0) return 0;
    const int code = errno;
    close(ends[0]);
    close(ends[1]);
    errno = code;
    return -1;
}

int crd_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int crd_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

static int reap(idtype_t kind, id_t id, siginfo_t *info) {
    memset(info, 0, sizeof *info);
    if (waitid(kind, id, info, WEXITED | WNOHANG) == -1) return -1;
    return info->si_pid != 0;
}

int crd_pidfd_reap(int pidfd, int *code, int *status) {
    siginfo_t info;
    const int result = reap(P_PIDFD, (id_t)pidfd, &info);
    *code = info.si_code;
    *status = info.si_status;
    return result;
}

int crd_reap(pid_t pid) {
    siginfo_t info;
    return reap(P_PID, (id_t)pid, &info);
}

int crd_set_subreaper(bool adopts) {
    int former = 0;
    if (prctl(PR_GET_CHILD_SUBREAPER, &former, 0, 0, 0) == -1) return -1;
    return prctl(PR_SET_CHILD_SUBREAPER, adopts, 0, 0, 0) == -1 ? -1 : former;
}

static int unix_address(const char *path, struct sockaddr_un *address) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address->sun_path, path);
    return 0;
}

static int close_keeping_errno(int fd) {
    const int code = errno;
    close(fd);
    errno = code;
    return -1;
}

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

int crd_unix_listen(const char *path, int backlog) {
    struct sockaddr_un address;
    if (unix_address(path, &address) == -1) return -1;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1) return -1;
    // A descriptor that a peer passes would be closed by us, and that may wait for whatever the peer
    // likes (SO_LINGER). Refused since Linux 6.16; connections inherit it.
    const int refused = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &refused, sizeof refused);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) == -1
        || listen(fd, backlog) == -1)
        return close_keeping_errno(fd);
    return fd;
}

int crd_unix_connect(const char *path, int patience) {
    struct sockaddr_un address;
    if (unix_address(path, &address) == -1) return -1;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1) return -1;
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    for (int waited = 0; connect(fd, (const struct sockaddr *)&address, sizeof address) == -1; waited += 10) {
        if (errno != EAGAIN || waited >= patience) return close_keeping_errno(fd);
        (void)nanosleep(&pause, NULL);
    }
    if (fcntl(fd, F_SETFL, 0) == -1) return close_keeping_errno(fd);
    return fd;
}

int crd_unix_datagram(const char *name) {
    struct sockaddr_un address;
    if (unix_address(name, &address) == -1) return -1;
    socklen_t size = sizeof address;
    if (name[0] == '@') {
        // The size of an abstract name includes no terminating NUL.
        address.sun_path[0] = '\0';
        size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    }
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1) return -1;
    if (connect(fd, (const struct sockaddr *)&address, size) == -1)
        return close_keeping_errno(fd);
    return fd;
}

union passed_descriptors {
    struct cmsghdr header;
    char space[CMSG_SPACE(CRD_PASSED_MAX * sizeof(int))];
};

int crd_send_passing(int socket, const void *bytes, size_t size, const int *passed, size_t count) {
    if (count > CRD_PASSED_MAX) {
        errno = E2BIG;
        return -1;
    }
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union passed_descriptors control = {0};
    if (count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof *passed);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof *passed);
        memcpy(CMSG_DATA(header), passed, count * sizeof *passed);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == -1 ? -1 : 0;
}

ssize_t crd_receive_passed(int socket, void *bytes, size_t size, int *passed, size_t *count) {
    struct iovec part = {.iov_base = bytes, .iov_len = size};
    union passed_descriptors control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    *count = 0;
    const ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (received == -1) return -1;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        *count = (header->cmsg_len - CMSG_LEN(0)) / sizeof *passed;
        memcpy(passed, CMSG_DATA(header), *count * sizeof *passed);
    }
    return received;
}

int crd_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK); }

int crd_peer_credentials(int fd, pid_t *pid, uid_t *uid, gid_t *gid) {
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == -1) return -1;
    *pid = credentials.pid;
    *uid = credentials.uid;
    *gid = credentials.gid;
    return 0;
}

int crd_peer_groups(int fd, gid_t *groups, size_t *count) {
    socklen_t size = (socklen_t)(*count * sizeof *groups);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == -1) return -1;
    *count = size / sizeof *groups;
    return 0;
}

static int perf_event_open(struct perf_event_attr *attributes, pid_t pid) {
    return (int)syscall(SYS_perf_event_open, attributes, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

int crd_bell_hang(struct crd_bell *bell, pid_t pid) {
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof attributes,
        .config = PERF_COUNT_SW_CONTEXT_SWITCHES,
        .sample_period = 1,
        .wakeup_events = 1,
        .disabled = 1,
    };
    bell->fd = perf_event_open(&attributes, pid);
    if (bell->fd == -1) return -1;
    // Wake-ups need a buffer: one control page, one data page.
    bell->size = 2 * (size_t)sysconf(_SC_PAGESIZE);
    bell->pages = mmap(NULL, bell->size, PROT_READ | PROT_WRITE, MAP_SHARED, bell->fd, 0);
    return bell->pages == MAP_FAILED ? close_keeping_errno(bell->fd) : 0;
}

int crd_bell_arm(const struct crd_bell *bell) {
    struct perf_event_mmap_page *control = bell->pages;
    // The buffer's content does not matter, but it must not be full.
    const uint64_t head = __atomic_load_n(&control->data_head, __ATOMIC_ACQUIRE);
    __atomic_store_n(&control->data_tail, head, __ATOMIC_RELEASE);
    return ioctl(bell->fd, PERF_EVENT_IOC_REFRESH, 1);
}

void crd_bell_take_down(const struct crd_bell *bell) {
    munmap(bell->pages, bell->size);
    close(bell->fd);
}

int crd_lock(int fd) { return flock(fd, LOCK_EX | LOCK_NB); }

bool crd_has_true_xattr(const char *path, const char *name) {
    char value[2];
    return getxattr(path, name, value, sizeof value) == 1 && value[0] == '1';
}

int crd_rename_new(const char *from, const char *to) {
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}

int crd_rename_exchange(const char *one, const char *other) {
    return renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE);
}

int crd_stays_beneath(int directory, const char *path) {
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    const long fd = syscall(SYS_openat2, directory, path, &how, sizeof how);
    if (fd == -1) return -1;
    close((int)fd);
    return 0;
}

int crd_open_without_links(const char *path, int flags) {
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_NOFOLLOW | O_CLOEXEC),
        .resolve = RESOLVE_NO_SYMLINKS,
    };
    const long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    if (fd != -1 || (errno != ENOSYS && errno != EPERM)) return (int)fd;
    return open(path, flags | O_NOFOLLOW | O_CLOEXEC);
}

int crd_watch_without_links(int inotify, const char *path, uint32_t mask) {
    const int fd = crd_open_without_links(path, O_PATH);
    if (fd == -1) return -1;
    char opened[64];
    snprintf(opened, sizeof opened, "/proc/self/fd/%d", fd);
    const int watch = inotify_add_watch(inotify, opened, mask);
    const int error = errno;
    close(fd);
    errno = error;
    return watch;
}

int crd_is_ignored(int number) {
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

int crd_open_directory(int directory, const char *name) {
    struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
        .resolve = RESOLVE_NO_XDEV,
    };
    return (int)syscall(SYS_openat2, directory, name, &how, sizeof how);
}

int crd_syncfs(int fd) { return syncfs(fd); }

static uint64_t set_soft_limit(__rlimit_resource_t resource, uint64_t soft) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) == -1) return RLIM_INFINITY;
    const rlim_t former = limit.rlim_cur;
    limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
    setrlimit(resource, &limit);
    return former;
}

uint64_t crd_limit_file_size(uint64_t soft) { return set_soft_limit(RLIMIT_FSIZE, soft); }

uint64_t crd_limit_memory(uint64_t soft) { return set_soft_limit(RLIMIT_DATA, soft); }
