// SPDX-License-Identifier: GPL-3.0-or-later
#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

enum { STACK_SIZE = 32 * 1024, SIGNALS = 64, DESCRIPTORS = 4 };

/// The kernel's signal set and action, which differ from glibc's.
typedef uint64_t kernel_sigset;
struct kernel_sigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    kernel_sigset mask;
};

/// The child's data besides the request.
struct birth {
    struct crd_spawn *spawn;
    pid_t parent;
    bool handlers_are_cleared;
    /// Where to report a failure; -1: in the memory shared with the parent.
    int report;
    /// A pipe that the parent closes when the child may go on; -1: it may at once.
    int gate[2];
};

/// The report of a child that shares no memory with its parent.
struct failure {
    enum crd_spawn_step step;
    int error;
};

_Noreturn static void fail(struct birth *birth, enum crd_spawn_step step) {
    const struct failure failure = {.step = step, .error = errno};
    if (birth->report >= 0) {
        syscall(SYS_write, birth->report, &failure, sizeof failure);
    } else {
        birth->spawn->error = failure.error;
        birth->spawn->step = failure.step;
    }
    for (;;) syscall(SYS_exit_group, 127);
}

static void default_signals(const struct birth *birth) {
    const struct kernel_sigaction action = {.handler = SIG_DFL};
    for (int signal = 1; signal <= SIGNALS; signal++) {
        const bool is_ignored = birth->spawn->ignored_signals >> (signal - 1) & 1;
        // SIGKILL and SIGSTOP fail with EINVAL, which does not matter.
        if (is_ignored || !birth->handlers_are_cleared)
            syscall(SYS_rt_sigaction, signal, &action, NULL, sizeof(kernel_sigset));
    }
}

static int set_soft_limit(int resource, uint64_t soft) {
    struct rlimit limit;
    if (syscall(SYS_prlimit64, 0, resource, NULL, &limit) == -1) return -1;
    limit.rlim_cur = soft;
    return (int)syscall(SYS_prlimit64, 0, resource, &limit, NULL);
}

// Sets the hard limit as well, which only root can raise: otherwise a process could take the mark of
// another run. If that fails, it tries the soft limit alone, for processes that do not hide.
static void carry_mark(uint64_t mark) {
    const struct rlimit both = {.rlim_cur = mark, .rlim_max = mark};
    if (syscall(SYS_prlimit64, 0, RLIMIT_LOCKS, &both, NULL) == -1)
        set_soft_limit(RLIMIT_LOCKS, mark);
}

/// Moves a descriptor to `first` or above, unless it is there already.
static int move_up(int *descriptor, int first) {
    if (*descriptor >= first) return 0;
    const long moved = syscall(SYS_fcntl, *descriptor, F_DUPFD_CLOEXEC, first);
    if (moved == -1) return -1;
    *descriptor = (int)moved;
    return 0;
}

/// Leaves the child its own descriptors, and the report right after them, if there is one.
static int place_descriptors(struct crd_spawn *spawn, int *report) {
    const bool reports = report != NULL && *report >= 0;
    const int count = reports ? DESCRIPTORS + 1 : DESCRIPTORS;
    // A source among the targets could be overwritten by another's dup3, so such sources move away
    // first.
    if (reports && move_up(report, count) == -1) return -1;
    for (int i = 0; i < DESCRIPTORS; i++)
        if (move_up(&spawn->descriptors[i], count) == -1) return -1;
    for (int i = 0; i < DESCRIPTORS; i++)
        if (syscall(SYS_dup3, spawn->descriptors[i], i, 0) == -1) return -1;
    if (reports) {
        if (syscall(SYS_dup3, *report, DESCRIPTORS, O_CLOEXEC) == -1) return -1;
        *report = DESCRIPTORS;
    }
    // Ours are close-on-exec. But a child that is stopped before its execve must not hold any of ours,
    // such as the lock of the state directory. And a library may have opened one without close-on-exec.
    syscall(SYS_close_range, count, ~0U, 0);
    return 0;
}

/// Waits for the parent to let the child go on, or to end.
static void pass_gate(const struct birth *birth) {
    if (birth->gate[0] < 0) return;
    syscall(SYS_close, birth->gate[1]);
    char byte;
    // All signals are blocked, and nobody writes.
    syscall(SYS_read, birth->gate[0], &byte, sizeof byte);
}

/// Switches to the user. \returns whether that worked; `step` is the one that failed.
static bool become_user(struct crd_spawn *spawn) {
    // All who share a session keyring can read, change and revoke what is in it (keyrings(7)). A new
    // one counts against our quota, so that the user cannot exhaust it. There may be no keyrings.
    spawn->step = CRD_SPAWN_KEYRING;
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) == -1 && errno != ENOSYS && errno != EPERM)
        return false;
    // In this order: once the user is changed, the process may no longer change its groups.
    spawn->step = CRD_SPAWN_SETGROUPS;
    if (syscall(SYS_setgroups, spawn->group_count, spawn->groups) == -1) return false;
    spawn->step = CRD_SPAWN_SETGID;
    if (syscall(SYS_setresgid, spawn->gid, spawn->gid, spawn->gid) == -1) return false;
    spawn->step = CRD_SPAWN_SETUID;
    return syscall(SYS_setresuid, spawn->uid, spawn->uid, spawn->uid) != -1;
}

/// Sets umask, working directory (with the user's rights) and signal mask for the executable.
/// \returns whether that worked; `step` is the one that failed.
static bool enter(struct crd_spawn *spawn) {
    syscall(SYS_umask, 022);
    spawn->step = CRD_SPAWN_CHDIR;
    if (syscall(SYS_chdir, spawn->directory) == -1) return false;
    const kernel_sigset empty = 0;
    spawn->step = CRD_SPAWN_SIGNALS;
    return syscall(SYS_rt_sigprocmask, SIG_SETMASK, &empty, NULL, sizeof empty) != -1;
}

/// The child, on its own stack but mostly in the parent's memory. It makes only system calls, and raw
/// ones, since glibc's setuid and the like would involve the parent's threads.
static int child(void *argument) {
    struct birth *birth = argument;
    struct crd_spawn *spawn = birth->spawn;

    if (syscall(SYS_setsid) == -1) fail(birth, CRD_SPAWN_SETSID);
    default_signals(birth);
    // Programs that use select(2) break with descriptors beyond 1,023.
    if (spawn->open_files != 0 && set_soft_limit(RLIMIT_NOFILE, spawn->open_files) == -1)
        fail(birth, CRD_SPAWN_LIMIT);
    if (spawn->mark != 0) carry_mark(spawn->mark);
    pass_gate(birth);
    if (place_descriptors(spawn, &birth->report) == -1) fail(birth, CRD_SPAWN_DUP);
    // From here on, that user may stop, end or slow down the child.
    if (spawn->switches_user && !become_user(spawn)) fail(birth, spawn->step);
    // After the change of user, which clears the setting; the parent may be gone already.
    if (syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1)
        fail(birth, CRD_SPAWN_PDEATHSIG);
    if (syscall(SYS_getppid) != birth->parent) {
        errno = ESRCH;
        fail(birth, CRD_SPAWN_PDEATHSIG);
    }
    if (!enter(spawn)) fail(birth, spawn->step);
    syscall(SYS_execve, spawn->path, spawn->argv, spawn->envp);
    fail(birth, CRD_SPAWN_EXEC);
}

/// Calls clone3(2), which glibc does not export, and then a function on the child's new stack.
///
/// The child must not return through the caller's frame, which the parent continues to use. So its data
/// stays in registers that a system call preserves.
static long clone3_calling(struct clone_args *args, int (*function)(void *), void *argument) {
#if defined(__x86_64__)
    register long result __asm__("rax") = SYS_clone3;
    register struct clone_args *first __asm__("rdi") = args;
    register size_t second __asm__("rsi") = sizeof *args;
    register int (*kept_function)(void *) __asm__("r12") = function;
    register void *kept_argument __asm__("r13") = argument;
    __asm__ volatile(
        "syscall\n\t"
        "testq %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "xorl %%ebp, %%ebp\n\t"
        "movq %%r13, %%rdi\n\t"
        "callq *%%r12\n\t"
        "hlt\n"
        "1:"
        : "+r"(result)
        : "r"(first), "r"(second), "r"(kept_function), "r"(kept_argument)
        : "rcx", "r11", "cc", "memory");
    return result;
#elif defined(__aarch64__)
    register long number __asm__("x8") = SYS_clone3;
    register long result __asm__("x0") = (long)args;
    register size_t second __asm__("x1") = sizeof *args;
    register int (*kept_function)(void *) __asm__("x19") = function;
    register void *kept_argument __asm__("x20") = argument;
    __asm__ volatile(
        "svc #0\n\t"
        "cbnz x0, 1f\n\t"
        "mov x29, #0\n\t"
        "mov x0, x20\n\t"
        "blr x19\n\t"
        "brk #1\n"
        "1:"
        : "+r"(result)
        : "r"(number), "r"(second), "r"(kept_function), "r"(kept_argument)
        : "cc", "memory");
    return result;
#else
#error "crd_spawn knows x86-64 and aarch64"
#endif
}

static struct clone_args clone_arguments(struct crd_spawn *spawn, uint64_t flags) {
    return (struct clone_args){
        .flags = flags | CLONE_CLEAR_SIGHAND | (spawn->cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
        .pidfd = (uint64_t)(uintptr_t)&spawn->pidfd,
        .exit_signal = SIGCHLD,
        .cgroup = spawn->cgroup >= 0 ? (uint64_t)spawn->cgroup : 0,
    };
}

/// Returns whether clone(2) can replace a failed clone3(2): kernels before 5.3 lack clone3, those
/// before 5.5 do not support CLONE_CLEAR_SIGHAND (EINVAL), and seccomp filters that do not know it
/// return EPERM.
static bool may_do_without_clone3(const struct crd_spawn *spawn) {
    return spawn->cgroup < 0 && (errno == ENOSYS || errno == EINVAL || errno == EPERM);
}

/// Makes a child in our memory. We sleep in this frame until the child has left that memory, so the
/// stack can be here.
static pid_t clone_child(struct birth *birth) {
    _Alignas(16) char stack[STACK_SIZE];
    struct crd_spawn *spawn = birth->spawn;
    const uint64_t flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
    struct clone_args args = clone_arguments(spawn, flags);
    args.stack = (uint64_t)(uintptr_t)stack;
    args.stack_size = STACK_SIZE;
    birth->handlers_are_cleared = true;
    const long result = clone3_calling(&args, child, birth);
    if (result >= 0) return (pid_t)result;
    errno = (int)-result;
    if (!may_do_without_clone3(spawn)) return -1;
    birth->handlers_are_cleared = false;
    return clone(child, stack + STACK_SIZE, (int)flags | SIGCHLD, birth, &spawn->pidfd);
}

static void close_both(const int ends[2]) {
    const int error = errno;
    close(ends[0]);
    close(ends[1]);
    errno = error;
}

/// Makes a child with a copy of our memory, which nothing waits for.
static pid_t fork_child(struct birth *birth) {
    struct crd_spawn *spawn = birth->spawn;
    int ends[2];
    if (crd_pipe(ends) == -1) return -1;
    if (pipe2(birth->gate, O_CLOEXEC) == -1) {
        close_both(ends);
        return -1;
    }
    birth->report = ends[1];
    struct clone_args args = clone_arguments(spawn, CLONE_PIDFD);
    birth->handlers_are_cleared = true;
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == -1 && may_do_without_clone3(spawn)) {
        birth->handlers_are_cleared = false;
        // The order of the two arguments after the pidfd differs between architectures; both are 0.
        pid = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &spawn->pidfd, 0, 0);
    }
    if (pid == 0) child(birth);
    if (pid == -1) {
        close_both(ends);
        close_both(birth->gate);
        return -1;
    }
    close(ends[1]);
    close(birth->gate[0]);
    spawn->report = ends[0];
    spawn->gate = birth->gate[1];
    return (pid_t)pid;
}

pid_t crd_spawn(struct crd_spawn *spawn) {
    struct birth birth = {.spawn = spawn, .parent = getpid(), .report = -1, .gate = {-1, -1}};
    spawn->pidfd = -1;
    spawn->report = -1;
    spawn->gate = -1;
    spawn->error = 0;

    // None of the parent's handlers may run in the child, in the parent's memory.
    const kernel_sigset all = ~(kernel_sigset)0;
    kernel_sigset previous;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &previous, sizeof all);
    const pid_t pid = spawn->switches_user ? fork_child(&birth) : clone_child(&birth);
    if (pid == -1) {
        spawn->error = errno;
        spawn->step = CRD_SPAWN_CLONE;
    }
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &previous, NULL, sizeof previous);

    if (pid > 0 && spawn->error != 0) {
        // It no longer uses our memory, but may not be a zombie yet.
        siginfo_t info;
        while (waitid(P_PID, (id_t)pid, &info, WEXITED) == -1 && errno == EINTR) continue;
        close(spawn->pidfd);
        spawn->pidfd = -1;
        return -1;
    }
    return pid;
}

bool crd_spawn_failure(int report, enum crd_spawn_step *step, int *error) {
    struct failure failure;
    if (read(report, &failure, sizeof failure) != sizeof failure) return false;
    *step = failure.step;
    *error = failure.error;
    return true;
}

int crd_become(struct crd_spawn *spawn) {
    const struct birth birth = {.spawn = spawn, .handlers_are_cleared = false};
    default_signals(&birth);
    spawn->step = CRD_SPAWN_DUP;
    if (place_descriptors(spawn, NULL) == 0 && (!spawn->switches_user || become_user(spawn)) && enter(spawn)) {
        spawn->step = CRD_SPAWN_EXEC;
        syscall(SYS_execve, spawn->path, spawn->argv, spawn->envp);
    }
    spawn->error = errno;
    return -1;
}

uint64_t crd_raise_open_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur == limit.rlim_max) return 0;
    const uint64_t former = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? former : 0;
}

uint64_t crd_ignored_signals(void) {
    uint64_t ignored = 0;
    for (int signal = 1; signal <= SIGNALS; signal++) {
        struct kernel_sigaction action;
        if (syscall(SYS_rt_sigaction, signal, NULL, &action, sizeof(kernel_sigset)) == 0
            && action.handler == SIG_IGN)
            ignored |= (uint64_t)1 << (signal - 1);
    }
    return ignored;
}
