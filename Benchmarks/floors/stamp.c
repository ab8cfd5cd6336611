// SPDX-License-Identifier: GPL-3.0-or-later
//
// stamp [FILE]: a check that appends to FILE, or else to $STAMPS, when it began and when it ended (nanoseconds of
// CLOCK_MONOTONIC), and how many events it was given and how many more there were, and says that the condition does
// not hold. In between it takes $STAMP_MILLISECONDS. Linked statically, so that its start costs least.

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "floor.h"

static long number(const char *variable) {
    const char *value = getenv(variable);
    return value ? atol(value) : 0;
}

int main(int count, char **arguments) {
    int64_t began = nanoseconds();
    const char *path = count > 1 ? arguments[1] : getenv("STAMPS");
    if (!path) errx(64, "usage: stamp FILE");
    long work = number("STAMP_MILLISECONDS");
    struct timespec pause = {work / 1000, work % 1000 * 1000000};
    if (work > 0) nanosleep(&pause, NULL);

    char line[128];
    int length = snprintf(line, sizeof line, "%" PRId64 " %" PRId64 " %ld %ld\n", began, nanoseconds(),
                          number("CRD_EVENT_COUNT"), number("CRD_EVENT_DROPPED"));
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    // In one call, so that lines of two that run at once do not mix.
    if (file < 0 || write(file, line, (size_t)length) != length) err(2, "'%s'", path);
    return 1;
}
