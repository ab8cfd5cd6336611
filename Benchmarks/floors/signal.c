// SPDX-License-Identifier: GPL-3.0-or-later
//
// signal PROGRAM: starts PROGRAM when SIGUSR1 arrives, never two at once, and once more if it arrived meanwhile. Says
// READY first, ends with another signal. Floor of the daemon's signal triggers: epoll, signalfd, posix_spawn, a pidfd.

#define _GNU_SOURCE
#include <signal.h>
#include <sys/signalfd.h>

#include "floor.h"

int main(int count, char **arguments) {
    if (count != 2) errx(64, "usage: signal PROGRAM");
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) err(1, "sigprocmask");
    int epoll = epoll_create1(EPOLL_CLOEXEC), signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (epoll < 0 || signals < 0) err(1, "epoll_create1, signalfd");
    add(epoll, signals, EPOLLIN);
    say_ready();

    long pending = 0;
    int running = -1;
    for (;;) {
        struct epoll_event events[2];
        int ready = epoll_wait(epoll, events, 2, -1);
        if (ready < 0 && errno != EINTR) err(1, "epoll_wait");
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == signals) {
                struct signalfd_siginfo received[64];
                ssize_t length = read(signals, received, sizeof received);
                if (length < 0) err(1, "read");
                pending += length / (ssize_t)sizeof *received;
            } else {
                reap(running);
                running = -1;
            }
        }
        if (running >= 0 || pending == 0) continue;
        running = start(arguments[1], pending);
        add(epoll, running, EPOLLIN);
        pending = 0;
    }
}
