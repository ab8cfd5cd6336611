// SPDX-License-Identifier: GPL-3.0-or-later
//
// What more than one floor needs.

#pragma once
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/// CLOCK_MONOTONIC, which all processes share.
static inline int64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/// What a daemon tells its service manager; `start` waits for it.
static inline void say_ready(void) {
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path) return;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) errx(1, "NOTIFY_SOCKET is too long");
    strcpy(address.sun_path, path);
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sendto(descriptor, "READY=1", 7, 0, (struct sockaddr *)&address, sizeof address) < 0) err(1, "sendto");
    close(descriptor);
}

static inline void add(int epoll, int descriptor, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = descriptor};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) < 0) err(1, "epoll_ctl");
}

/// The pidfd of a new PROGRAM, whose CRD_EVENT_COUNT says for how many events it is.
static inline int start(char *program, long events) {
    static posix_spawn_file_actions_t actions;
    static bool prepared;
    if (!prepared) {
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        prepared = true;
    }
    char variable[32], *arguments[] = {program, NULL};
    snprintf(variable, sizeof variable, "%ld", events);
    setenv("CRD_EVENT_COUNT", variable, 1);
    pid_t pid;
    errno = posix_spawn(&pid, program, &actions, NULL, arguments, environ);
    if (errno != 0) err(1, "posix_spawn '%s'", program);
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) err(1, "pidfd_open");
    return pidfd;
}

/// Reaps what `start` started.
static inline void reap(int pidfd) {
    siginfo_t info;
    if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0) err(1, "waitid");
    close(pidfd);
}
