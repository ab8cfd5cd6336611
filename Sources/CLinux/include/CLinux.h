// SPDX-License-Identifier: GPL-3.0-or-later
//
// What Swift needs of Linux and does not get from Glibc's module: headers that module leaves out,
// functions behind _GNU_SOURCE (which must not be defined in a header that Swift imports: its
// fd_set would differ from SwiftGlibc's), and the spawn, which must not be Swift at all.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/types.h>

/// What a spawn could fail at, for the message.
enum crd_spawn_step {
    CRD_SPAWN_CLONE,
    CRD_SPAWN_SETSID,
    CRD_SPAWN_SIGNALS,
    CRD_SPAWN_LIMIT,
    CRD_SPAWN_SETGROUPS,
    CRD_SPAWN_SETGID,
    CRD_SPAWN_SETUID,
    CRD_SPAWN_PDEATHSIG,
    CRD_SPAWN_CHDIR,
    CRD_SPAWN_DUP,
    CRD_SPAWN_EXEC,
};

/// One process to start.
struct crd_spawn {
    const char *_Nullable path;
    char *const _Nullable *_Nullable argv;
    char *const _Nullable *_Nullable envp;
    const char *_Nullable directory;
    /// Become the child's descriptors 0 to 3.
    int descriptors[4];
    /// A cgroup directory to be born in, or -1.
    int cgroup;
    /// Whether to become `uid`, `gid` and `groups`.
    bool switches_user;
    uid_t uid;
    gid_t gid;
    const gid_t *_Nullable groups;
    size_t group_count;
    /// The soft limit of open files to go back to, or 0 to keep ours (getrlimit(2)).
    uint64_t open_files;
    /// The soft limit of file locks, by which the child and its descendants are recognized, or 0 to
    /// keep ours. Linux inherits this limit and has enforced none since 2.4.25.
    uint64_t mark;
    /// Bit n-1 for signal n: those the caller ignores, see crd_ignored_signals.
    uint64_t ignored_signals;

    /// Out: readable when the process has ended; close-on-exec.
    int pidfd;
    /// Out: where one that takes on another user's rights says why it could not be started, see
    /// crd_spawn_failure; non-blocking and close-on-exec. -1 for all others.
    int report;
    /// Out: why it failed, and at what.
    int error;
    enum crd_spawn_step step;
};

/// A counter of a process's context switches that wakes whoever polls it (perf_event_open(2)).
struct crd_bell {
    int fd;
    void *_Nullable pages;
    size_t size;
};

#pragma clang assume_nonnull begin

/// Starts a process in a session of its own, with default signal dispositions, an empty signal
/// mask, umask 022, and SIGKILL as its parent-death signal.
///
/// The child shares the caller's memory until it has called execve (CLONE_VM and CLONE_VFORK,
/// clone(2)), so the time it takes does not grow with the caller's memory. The caller sleeps
/// meanwhile, all its signals blocked.
///
/// One that takes on another user's rights has a copy of the memory instead (fork(2)), and the caller
/// does not wait: that user may stop the child before its execve, which the caller would sleep through
/// in the kernel, for as long as that user likes.
///
/// \returns the process id, or -1 with `error` and `step` set; no process is left then.
pid_t crd_spawn(struct crd_spawn *spawn);

/// Why a process that has ended could not be started, as it said itself.
/// \returns whether it did.
bool crd_spawn_failure(int report, enum crd_spawn_step *step, int *error);

/// Becomes the program in place of this one, with all that crd_spawn sets in its child but the
/// session, the cgroup and the parent-death signal.
///
/// \returns -1 where it could not, with `error` and `step` set; much of it may have been done then.
int crd_become(struct crd_spawn *spawn);

/// Raises the soft limit of open files to the hard one (setrlimit(2)).
/// \returns the former soft limit, or 0 if it stays as it was.
uint64_t crd_raise_open_files(void);

/// The signals this process ignores: an execve would hand that on (signal(7)).
uint64_t crd_ignored_signals(void);

/// malloc_trim(3).
void crd_trim_memory(void);

/// memfd_create(2), close-on-exec, sealable, mode 0444.
int crd_memfd_create(const char *name);
/// Seals a memory file against any change, also of its seals (fcntl(2), F_ADD_SEALS).
int crd_memfd_seal(int fd);
/// fallocate(2), FALLOC_FL_KEEP_SIZE: memory for the file's first page, its size unchanged.
int crd_reserve_page(int fd);
/// pipe2(2) with O_CLOEXEC; the reading end alone is non-blocking, since that is a property of
/// the open file, which the child's end would share.
int crd_pipe(int ends[_Nonnull 2]);

int crd_pidfd_open(pid_t pid);
int crd_pidfd_send_signal(int pidfd, int signal);
/// Reaps the process behind a pidfd if it has ended (waitid(2), P_PIDFD, WNOHANG).
/// \returns 1 if it has, with CLD_EXITED or another CLD_ code and the status; 0 if not yet; -1.
int crd_pidfd_reap(int pidfd, int *code, int *status);
/// Reaps a child by its process id, whatever became of it. \returns as above.
int crd_reap(pid_t pid);

/// prctl(2), PR_SET_CHILD_SUBREAPER. \returns whether it was one before, or -1.
int crd_set_subreaper(bool adopts);

/// inotify_add_watch(2) on what is at a path without symbolic links, be they put there just now:
/// ELOOP with one (openat2(2), RESOLVE_NO_SYMLINKS). Before Linux 5.6, the last name alone is so.
int crd_watch_without_links(int inotify, const char *path, uint32_t mask);
/// open(2), close-on-exec, of a path without symbolic links, as above.
int crd_open_without_links(const char *path, int flags);

/// Asks the file system at `path` itself, past what the kernel remembers of it (statx(2),
/// AT_STATX_FORCE_SYNC). May never return.
void crd_ask_file_system(const char *path);

/// A listening, non-blocking, close-on-exec stream socket at `path`. \returns it, or -1.
int crd_unix_listen(const char *path, int backlog);
int crd_unix_connect(const char *path);
/// A datagram socket, non-blocking and close-on-exec, connected to a path, or to an abstract name that
/// begins with '@' here. \returns it, or -1.
int crd_unix_datagram(const char *address);
/// Sends a descriptor with an empty message, without waiting (unix(7), SCM_RIGHTS).
int crd_send_descriptor(int socket, int passed);
/// accept4(2), non-blocking and close-on-exec.
int crd_accept(int listener);
/// SO_PEERCRED, unix(7).
int crd_peer_credentials(int fd, pid_t *pid, uid_t *uid, gid_t *gid);
/// SO_PEERGROUPS; `*count` is the room for groups, and then how many there are.
int crd_peer_groups(int fd, gid_t *groups, size_t *count);

/// Hangs a bell at a process, not yet armed; close-on-exec. \returns 0, or -1 with errno.
int crd_bell_hang(struct crd_bell *bell, pid_t pid);
/// The next time that the process goes to sleep or is interrupted, the bell rings, once.
int crd_bell_arm(const struct crd_bell *bell);
void crd_bell_take_down(const struct crd_bell *bell);

/// renameat2(2) with RENAME_NOREPLACE, or with RENAME_EXCHANGE.
int crd_rename_new(const char *from, const char *to);
int crd_rename_exchange(const char *one, const char *other);
/// Follows `path` from a directory as openat2(2) does with RESOLVE_BENEATH: nothing that leads out of
/// it, absolute links included. \returns 0, or -1, with EXDEV where it leads out.
int crd_stays_beneath(int directory, const char *path);
/// Whether a signal is ignored (sigaction(2)), as who executed this program may have decided.
int crd_is_ignored(int number);
/// Opens a directory in another for reading, no link, as openat2(2) does with RESOLVE_NO_XDEV: nothing
/// is mounted on it. \returns a descriptor, or -1, with EXDEV where something is.
int crd_open_directory(int directory, const char *name);
/// syncfs(2).
int crd_syncfs(int fd);
/// Sets the soft limit of a file's size (RLIMIT_FSIZE). \returns the former one.
uint64_t crd_limit_file_size(uint64_t soft);

/// flock(2), exclusive, without waiting.
int crd_lock(int fd);
/// getxattr(2) as a truth: whether the path carries the attribute with the value "1".
bool crd_has_true_xattr(const char *path, const char *name);

#pragma clang assume_nonnull end
