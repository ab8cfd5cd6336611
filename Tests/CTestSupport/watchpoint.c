// SPDX-License-Identifier: GPL-3.0-or-later
#define _GNU_SOURCE
#include "CTestSupport.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>

#if defined(__x86_64__)

bool crd_test_has_watchpoints(void) { return true; }

static long set_register(pid_t pid, int number, uintptr_t value) {
    size_t place = offsetof(struct user, u_debugreg) + (size_t)number * sizeof(unsigned long);
    return ptrace(PTRACE_POKEUSER, pid, place, value);
}

/// Waits until the process stops; returns the signal.
static int await_stop(pid_t pid) {
    int status = 0;
    pid_t found;
    do {
        found = waitpid(pid, &status, __WALL);
    } while (found == -1 && errno == EINTR);
    if (found == -1) return -1;
    if (WIFSTOPPED(status)) return WSTOPSIG(status);
    errno = ESRCH;
    return -1;
}

int crd_test_stop_after_write(pid_t pid, const uintptr_t *addresses, int count, void (*armed)(void *),
                              void *context) {
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == -1) return -1;
    if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == -1 || await_stop(pid) == -1) return -1;
    uintptr_t control = 0;
    for (int index = 0; index < count && index < 4; index++) {
        if (set_register(pid, index, addresses[index]) == -1) return -1;
        // Enabled for this process; eight bytes; after a write.
        control |= (uintptr_t)1 << (2 * index) | (uintptr_t)0x9 << (16 + 4 * index);
    }
    if (set_register(pid, 7, control) == -1) return -1;
    if (ptrace(PTRACE_CONT, pid, NULL, NULL) == -1) return -1;
    armed(context);
    for (;;) {
        int signal = await_stop(pid);
        if (signal == -1) return -1;
        if (signal == SIGTRAP) break;
        if (ptrace(PTRACE_CONT, pid, NULL, signal) == -1) return -1;
    }
    if (set_register(pid, 7, 0) == -1) return -1;
    // It stays stopped, by a signal like any other.
    return (int)ptrace(PTRACE_DETACH, pid, NULL, SIGSTOP);
}

#else

bool crd_test_has_watchpoints(void) { return false; }

int crd_test_stop_after_write(pid_t pid, const uintptr_t *addresses, int count, void (*armed)(void *),
                              void *context) {
    (void)pid, (void)addresses, (void)count, (void)armed, (void)context;
    errno = ENOSYS;
    return -1;
}

#endif
