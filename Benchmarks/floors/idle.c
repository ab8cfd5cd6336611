// SPDX-License-Identifier: GPL-3.0-or-later
//
// idle DIRECTORY SECONDS: looks at every module in DIRECTORY, puts a deadline for each into a heap, says READY, and
// waits for the first one SECONDS from now. Floor of the daemon with nothing to do: epoll, a timerfd, a signalfd.

#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "floor.h"

struct timer {
    int64_t deadline;
    char *name;
};

static struct timer *heap;
static size_t size, capacity;

static void push(struct timer timer) {
    if (size == capacity) {
        capacity = capacity ? 2 * capacity : 64;
        heap = realloc(heap, capacity * sizeof *heap);
        if (!heap) err(1, "realloc");
    }
    size_t i = size++;
    for (; i > 0 && heap[(i - 1) / 2].deadline > timer.deadline; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = timer;
}

int main(int count, char **arguments) {
    if (count != 3) errx(64, "usage: idle DIRECTORY SECONDS");
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    DIR *directory = opendir(arguments[1]);
    if (!directory) err(1, "opendir '%s'", arguments[1]);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.') continue;
        int module = openat(dirfd(directory), entry->d_name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
        if (module < 0) err(1, "openat '%s'", entry->d_name);
        struct stat status;
        static const char *const files[] = {"check", "response", "module.toml"};
        for (size_t i = 0; i < sizeof files / sizeof *files; i++) fstatat(module, files[i], &status, 0);
        close(module);
        push((struct timer){now.tv_sec + atol(arguments[2]), strdup(entry->d_name)});
    }
    closedir(directory);
    if (size == 0) errx(1, "no module in '%s'", arguments[1]);

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int signalling = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    int timing = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct itimerspec first = {.it_value = {.tv_sec = heap[0].deadline}};
    if (timerfd_settime(timing, TFD_TIMER_ABSTIME, &first, NULL) < 0) err(1, "timerfd_settime");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = signalling};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, signalling, &event) < 0) err(1, "epoll_ctl");
    event.data.fd = timing;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, timing, &event) < 0) err(1, "epoll_ctl");
    say_ready();
    // A signal or the first deadline: either is the end of the measurement.
    return epoll_wait(epoll, &event, 1, -1) == 1 ? 0 : 1;
}
