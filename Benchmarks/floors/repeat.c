// SPDX-License-Identifier: GPL-3.0-or-later
//
// repeat COUNT PROGRAM [ARGUMENT...]: runs PROGRAM COUNT times, one after the other, and prints the median of the
// milliseconds from before posix_spawn until it was waited for.

#include <err.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int count, char **arguments) {
    int times = count > 2 ? atoi(arguments[1]) : 0;
    if (times < 1) errx(64, "usage: repeat COUNT PROGRAM [ARGUMENT...]");
    double *took = calloc((size_t)times, sizeof *took);
    if (!took) err(1, "calloc");
    for (int i = 0; i < times; i++) {
        struct timespec before, after;
        clock_gettime(CLOCK_MONOTONIC, &before);
        pid_t pid;
        int status;
        errno = posix_spawn(&pid, arguments[2], NULL, NULL, arguments + 2, environ);
        if (errno != 0) err(1, "posix_spawn '%s'", arguments[2]);
        if (waitpid(pid, &status, 0) < 0) err(1, "waitpid");
        clock_gettime(CLOCK_MONOTONIC, &after);
        // The program says that its condition does not hold; anything else is not what was to be measured.
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 1) errx(1, "'%s' ended with status %d", arguments[2], status);
        took[i] = (double)(after.tv_sec - before.tv_sec) * 1e3 + (double)(after.tv_nsec - before.tv_nsec) / 1e6;
    }
    qsort(took, (size_t)times, sizeof *took, ascending);
    printf("%.3f\n", took[times / 2]);
    return 0;
}
