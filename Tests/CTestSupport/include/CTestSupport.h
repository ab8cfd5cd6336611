// SPDX-License-Identifier: GPL-3.0-or-later
//
// The C functions that tests need.
#pragma once

#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#pragma clang assume_nonnull begin

/// Makes clone3(2) answer `error` in this thread and its children from now on, as an old kernel
/// (ENOSYS) or a container's filter (EPERM) does (seccomp(2)). \returns 0, or -1.
int crd_test_deny_clone3(int error);

/// Whether anybody has the file, which must be ours, open for writing: then nobody can get a read
/// lease (fcntl(2), F_SETLEASE).
bool crd_test_is_being_written(int fd);

/// posix_spawn_file_actions_addchdir_np(3), which Glibc's module leaves out.
int crd_test_add_chdir(posix_spawn_file_actions_t *actions, const char *path);

/// Gives this thread a mount namespace of its own, from which no mount spreads (unshare(2)).
/// \returns 0, or -1.
int crd_test_unshare_mounts(void);

/// Gives this thread descriptors of its own, a copy of the process's (unshare(2)). \returns 0, or -1.
int crd_test_unshare_descriptors(void);

/// Swaps two paths (renameat2(2), RENAME_EXCHANGE). \returns 0, or -1.
int crd_test_exchange(const char *one, const char *other);

/// A non-blocking Unix datagram socket at a path. \returns it, or -1.
int crd_test_datagram_receiver(const char *path);
/// Receives a message with a descriptor in it (SCM_RIGHTS). \returns that, close-on-exec, or -1.
int crd_test_receive_descriptor(int socket);

/// Whether this machine's processor has what `crd_test_stop_after_write` needs.
bool crd_test_has_watchpoints(void);

/// Lets a process with one thread run until it has written to one of up to four places of eight
/// bytes, and leaves it stopped there as by SIGSTOP (ptrace(2)). Calls `armed` once it waits for
/// that. Call it in a thread of its own. \returns 0, or -1.
int crd_test_stop_after_write(pid_t pid, const uintptr_t *addresses, int count,
                              void (*armed)(void *_Nullable), void *_Nullable context);

#pragma clang assume_nonnull end
