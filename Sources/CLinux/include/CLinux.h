// SPDX-License-Identifier: GPL-3.0-or-later
//
// The parts of Linux that Swift does not get from Glibc's module: missing headers, functions behind
// _GNU_SOURCE (which must not be defined in a header that Swift imports: its fd_set would differ from
// SwiftGlibc's), and the spawn, which must not be written in Swift at all.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/types.h>

/// The step at which a spawn failed, for the message.
enum crd_spawn_step {
    CRD_SPAWN_CLONE,
    CRD_SPAWN_SETSID,
    CRD_SPAWN_SIGNALS,
    CRD_SPAWN_LIMIT,
    CRD_SPAWN_KEYRING,
    CRD_SPAWN_SETGROUPS,
    CRD_SPAWN_SETGID,
    CRD_SPAWN_SETUID,
    CRD_SPAWN_PDEATHSIG,
    CRD_SPAWN_CHDIR,
    CRD_SPAWN_DUP,
    CRD_SPAWN_EXEC,
};

/// A process to start.
struct crd_spawn {
    const char *_Nullable path;
    char *const _Nullable *_Nullable argv;
    char *const _Nullable *_Nullable envp;
    const char *_Nullable directory;
    /// They become the child's descriptors 0 to 3.
    int descriptors[4];
    /// A cgroup directory to start in, or -1.
    int cgroup;
    /// Whether to switch to `uid`, `gid` and `groups`.
    bool switches_user;
    uid_t uid;
    gid_t gid;
    const gid_t *_Nullable groups;
    size_t group_count;
    /// The soft limit of open files to restore, or 0 to keep ours (getrlimit(2)).
    uint64_t open_files;
    /// The limit of file locks, by which the child and its descendants are recognized, or 0 to
    /// keep ours. Linux inherits this limit and has enforced none since 2.4.25.
    uint64_t mark;
    /// Bit n-1 for signal n: the signals that the caller ignores, see crd_ignored_signals.
    uint64_t ignored_signals;

    /// Out: readable when the process has ended; close-on-exec.
    int pidfd;
    /// Out: where a child that switches user reports why it could not be started, see
    /// crd_spawn_failure; non-blocking and close-on-exec. -1 for all others.
    int report;
    /// Out: a child that switches user waits until the caller has closed this; close-on-exec. -1 for
    /// all others.
    int gate;
    /// Out: the error number and the step of a failure.
    int error;
    enum crd_spawn_step step;
};

/// A counter of a process's context switches that wakes a poll of its descriptor (perf_event_open(2)).
struct crd_bell {
    int fd;
    void *_Nullable pages;
    size_t size;
};

/// The most descriptors in one message of ours.
enum { CRD_PASSED_MAX = 4 };

#pragma clang assume_nonnull begin

/// Starts a process in a new session, with default signal dispositions, an empty signal mask, umask
/// 022, and SIGKILL as its parent-death signal.
///
/// The child shares the caller's memory until it has called execve (CLONE_VM and CLONE_VFORK,
/// clone(2)), so the time it takes does not grow with the caller's memory. The caller sleeps meanwhile,
/// with all its signals blocked.
///
/// A child that switches user has a copy of the memory instead (fork(2)), and the caller does not wait.
/// That user may stop the child before its execve for any time, and the caller would sleep in the
/// kernel all that time. The child goes on when the caller closes the gate. By then the caller should
/// have closed what the user could make it wait for, such as the writing ends of the child's pipes.
///
/// \returns the process ID, or -1 with `error` and `step` set; then no process is left.
pid_t crd_spawn(struct crd_spawn *spawn);

/// Reads from `report` why a process that has ended could not be started.
/// \returns whether there is a report.
bool crd_spawn_failure(int report, enum crd_spawn_step *step, int *error);

/// Replaces this program by the requested one, with everything that crd_spawn sets in its child except
/// the session, the cgroup and the parent-death signal.
///
/// \returns -1 on failure, with `error` and `step` set; many of the changes may have been made by then.
int crd_become(struct crd_spawn *spawn);

/// Raises the soft limit of open files to the hard one (setrlimit(2)).
/// \returns the former soft limit, or 0 if it is unchanged.
uint64_t crd_raise_open_files(void);

/// Returns the signals that this process ignores, which execve would pass on (signal(7)).
uint64_t crd_ignored_signals(void);

/// Calls malloc_trim(3).
void crd_trim_memory(void);

/// Calls memfd_create(2): close-on-exec, sealable, mode 0444.
int crd_memfd_create(const char *name);
/// Seals a memory file against all changes, including changes of its seals (fcntl(2), F_ADD_SEALS).
int crd_memfd_seal(int fd);
/// Allocates memory for the file's first page and leaves its size unchanged (fallocate(2),
/// FALLOC_FL_KEEP_SIZE).
int crd_reserve_page(int fd);
/// Calls pipe2(2) with O_CLOEXEC. Only the reading end is non-blocking: that is a property of the open
/// file, which the child would inherit with the writing end.
int crd_pipe(int ends[_Nonnull 2]);

int crd_pidfd_open(pid_t pid);
int crd_pidfd_send_signal(int pidfd, int signal);
/// Reaps the process of a pidfd if it has ended (waitid(2), P_PIDFD, WNOHANG).
/// \returns 1 if it has, with CLD_EXITED or another CLD_ code and the status; 0 if not yet; -1.
int crd_pidfd_reap(int pidfd, int *code, int *status);
/// Reaps a child by its process ID, however it ended. \returns as above.
int crd_reap(pid_t pid);

/// Calls prctl(2) with PR_SET_CHILD_SUBREAPER. \returns whether it was a subreaper before, or -1.
int crd_set_subreaper(bool adopts);

/// Calls inotify_add_watch(2) for a path without symbolic links, even ones made at this very moment:
/// with one it fails with ELOOP (openat2(2), RESOLVE_NO_SYMLINKS). Before Linux 5.6, only the last name
/// is checked.
int crd_watch_without_links(int inotify, const char *path, uint32_t mask);
/// Calls open(2), close-on-exec, for a path without symbolic links, as above.
int crd_open_without_links(const char *path, int flags);

/// Asks the file system at `path` itself, bypassing the kernel's cache (statx(2), AT_STATX_FORCE_SYNC).
/// May never return.
void crd_ask_file_system(const char *path);

/// Makes a listening, non-blocking, close-on-exec stream socket at `path`. \returns it, or -1.
int crd_unix_listen(const char *path, int backlog);
/// Connects to a listening stream socket (connect(2)). While its queue is full, which anybody who may
/// connect can bring about, it tries again for `patience` milliseconds, and then fails with EAGAIN.
/// \returns the socket, blocking and close-on-exec, or -1.
int crd_unix_connect(const char *path, int patience);
/// Makes a datagram socket, non-blocking and close-on-exec, connected to a path, or to an abstract
/// name, written with a leading '@'. \returns it, or -1.
int crd_unix_datagram(const char *address);
/// Sends a message with up to CRD_PASSED_MAX descriptors, without blocking (unix(7), SCM_RIGHTS).
int crd_send_passing(
    int socket, const void *_Nullable bytes, size_t size, const int *_Nullable passed, size_t count);
/// Receives a message with up to CRD_PASSED_MAX descriptors, which become close-on-exec (recvmsg(2)).
/// `*count` becomes their number. \returns the message's size, or -1.
ssize_t crd_receive_passed(int socket, void *bytes, size_t size, int *passed, size_t *count);
/// Calls accept4(2): non-blocking and close-on-exec.
int crd_accept(int listener);
/// Reads SO_PEERCRED, unix(7).
int crd_peer_credentials(int fd, pid_t *pid, uid_t *uid, gid_t *gid);
/// Reads SO_PEERGROUPS; `*count` is the room for groups, and then their number.
int crd_peer_groups(int fd, gid_t *groups, size_t *count);

/// Opens a bell for a process, not yet armed; close-on-exec. \returns 0, or -1 with errno.
int crd_bell_hang(struct crd_bell *bell, pid_t pid);
/// Arms the bell: it rings once, the next time that the process sleeps or is interrupted.
int crd_bell_arm(const struct crd_bell *bell);
void crd_bell_take_down(const struct crd_bell *bell);

/// Call renameat2(2) with RENAME_NOREPLACE, or with RENAME_EXCHANGE.
int crd_rename_new(const char *from, const char *to);
int crd_rename_exchange(const char *one, const char *other);
/// Resolves `path` from a directory as openat2(2) does with RESOLVE_BENEATH: nothing may lead out of
/// it, absolute links included. \returns 0, or -1, with EXDEV if it leads out.
int crd_stays_beneath(int directory, const char *path);
/// Returns whether a signal is ignored (sigaction(2)), which the process that executed this program may
/// have chosen.
int crd_is_ignored(int number);
/// Opens a directory in another one for reading, but no link and no mount point, as openat2(2) does
/// with RESOLVE_NO_XDEV. \returns a descriptor, or -1, with EXDEV for a mount point.
int crd_open_directory(int directory, const char *name);
/// Calls syncfs(2).
int crd_syncfs(int fd);
/// Sets the soft limit of a file's size (RLIMIT_FSIZE). \returns the former one.
uint64_t crd_limit_file_size(uint64_t soft);
/// Sets the soft limit of a process's own memory (RLIMIT_DATA). \returns the former one.
uint64_t crd_limit_memory(uint64_t soft);

/// Calls flock(2): exclusive, without blocking.
int crd_lock(int fd);
/// Returns whether the path has the extended attribute with the value "1" (getxattr(2)).
bool crd_has_true_xattr(const char *path, const char *name);

#pragma clang assume_nonnull end
