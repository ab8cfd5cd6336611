// SPDX-License-Identifier: GPL-3.0-or-later
//
// write_file DIRECTORY COUNT MILLISECONDS: creates, writes and closes COUNT new files in DIRECTORY, one every
// MILLISECONDS or, with 0, as fast as it can; then prints for each when it was about to be closed, in nanoseconds of
// CLOCK_MONOTONIC. The cause of what the rows on path triggers measure.

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "floor.h"

int main(int count, char **arguments) {
    long files = count == 4 ? atol(arguments[2]) : 0, milliseconds = count == 4 ? atol(arguments[3]) : 0;
    if (files < 1) errx(64, "usage: write_file DIRECTORY COUNT MILLISECONDS");
    if (chdir(arguments[1]) < 0) err(1, "chdir '%s'", arguments[1]);
    int64_t *closed = calloc((size_t)files, sizeof *closed);
    if (!closed) err(1, "calloc");
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    for (long i = 0; i < files; i++) {
        if (milliseconds > 0) nanosleep(&pause, NULL);
        char name[64];
        snprintf(name, sizeof name, "%d-%ld", (int)getpid(), i);
        int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (file < 0 || write(file, "x", 1) != 1) err(1, "'%s'", name);
        closed[i] = nanoseconds();
        close(file);
    }
    for (long i = 0; i < files; i++) printf("%" PRId64 "\n", closed[i]);
    return fflush(stdout) == 0 ? 0 : 1;
}
