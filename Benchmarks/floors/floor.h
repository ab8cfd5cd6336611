// SPDX-License-Identifier: GPL-3.0-or-later
//
// What more than one floor needs.

#pragma once
#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

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
