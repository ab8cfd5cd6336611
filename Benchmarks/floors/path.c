// SPDX-License-Identifier: GPL-3.0-or-later
//
// path DIRECTORY EVENT PROGRAM: starts PROGRAM when EVENT ("create" or "close_write") happens in DIRECTORY, never two
// at once, and once more if something happened meanwhile; CRD_EVENT_COUNT tells it how often. Says READY first, ends
// with a signal. Floor of the daemon's path triggers: epoll, inotify, posix_spawn, a pidfd.

#define _GNU_SOURCE
#include <sys/inotify.h>

#include "floor.h"

/// How many events there are to read; more than the buffer holds are left for the next turn.
static long drain(int inotify) {
    _Alignas(struct inotify_event) static char buffer[64 * 1024];
    ssize_t length = read(inotify, buffer, sizeof buffer);
    if (length < 0) err(1, "read");
    long events = 0;
    for (ssize_t offset = 0; offset < length; events++) {
        const struct inotify_event *event = (const void *)(buffer + offset);
        if (event->mask & IN_Q_OVERFLOW) errx(1, "the queue overflowed; raise fs.inotify.max_queued_events");
        offset += (ssize_t)(sizeof *event + event->len);
    }
    return events;
}

int main(int count, char **arguments) {
    if (count != 4) errx(64, "usage: path DIRECTORY create|close_write PROGRAM");
    int epoll = epoll_create1(EPOLL_CLOEXEC), inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (epoll < 0 || inotify < 0) err(1, "epoll_create1, inotify_init1");
    uint32_t mask = strcmp(arguments[2], "create") == 0 ? IN_CREATE : IN_CLOSE_WRITE;
    if (inotify_add_watch(inotify, arguments[1], mask) < 0) err(1, "inotify_add_watch '%s'", arguments[1]);
    add(epoll, inotify, EPOLLIN);
    say_ready();

    long pending = 0;
    int running = -1;
    for (;;) {
        struct epoll_event events[2];
        int ready = epoll_wait(epoll, events, 2, -1);
        if (ready < 0 && errno != EINTR) err(1, "epoll_wait");  // strace interrupts it when it attaches.
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == inotify) {
                pending += drain(inotify);
            } else {
                reap(running);
                running = -1;
            }
        }
        if (running >= 0 || pending == 0) continue;
        running = start(arguments[3], pending);
        add(epoll, running, EPOLLIN);
        pending = 0;
    }
}
