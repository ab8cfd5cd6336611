// SPDX-License-Identifier: GPL-3.0-or-later
//
// pool SLOTS SECONDS PROGRAM: runs PROGRAM again and again, SLOTS at once, and prints how many runs a second ended.
// Floor of the daemon's pool: posix_spawn, a pidfd, epoll, and nothing else.

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void start(const char *program, const posix_spawn_file_actions_t *actions, int epoll) {
    char *arguments[] = {(char *)program, NULL};
    pid_t pid;
    errno = posix_spawn(&pid, program, actions, NULL, arguments, environ);
    if (errno != 0) err(1, "posix_spawn '%s'", program);
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) err(1, "pidfd_open");
    // One shot: a child that has not yet come to closing its copies of the pidfds keeps a closed one registered here,
    // and it would be reported again. The kernel lets posix_spawn return before that.
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = pidfd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, &event) < 0) err(1, "epoll_ctl");
}

int main(int count, char **arguments) {
    if (count != 4) errx(64, "usage: pool SLOTS SECONDS PROGRAM");
    int slots = atoi(arguments[1]);
    double seconds = atof(arguments[2]);
    const char *program = arguments[3];

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) err(1, "epoll_create1");

    double began = now(), t = began;
    long runs = 0;
    int running = 0;
    while (running < slots) {
        start(program, &actions, epoll);
        running++;
    }
    while (running > 0) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, -1);
        if (ready < 0) err(1, "epoll_wait");
        for (int i = 0; i < ready; i++) {
            siginfo_t info;
            if (waitid(P_PIDFD, (id_t)events[i].data.fd, &info, WEXITED) < 0) err(1, "waitid");
            close(events[i].data.fd);
            running--;
            runs++;
            t = now();
            if (t - began >= seconds) continue;
            start(program, &actions, epoll);
            running++;
        }
    }
    printf("%.1f\n", (double)runs / (t - began));
    return 0;
}
