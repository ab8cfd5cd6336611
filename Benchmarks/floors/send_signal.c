// SPDX-License-Identifier: GPL-3.0-or-later
//
// send_signal PID COUNT MILLISECONDS: sends SIGUSR1 to a process COUNT times, one every MILLISECONDS; then prints for
// each when it was about to be sent, in nanoseconds of CLOCK_MONOTONIC. The cause of what the row on signal triggers
// measures.

#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>

#include "floor.h"

int main(int count, char **arguments) {
    long times = count == 4 ? atol(arguments[2]) : 0, milliseconds = count == 4 ? atol(arguments[3]) : 0;
    if (times < 1) errx(64, "usage: send_signal PID COUNT MILLISECONDS");
    pid_t pid = (pid_t)atol(arguments[1]);
    int64_t *sent = calloc((size_t)times, sizeof *sent);
    if (!sent) err(1, "calloc");
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    for (long i = 0; i < times; i++) {
        if (milliseconds > 0) nanosleep(&pause, NULL);
        sent[i] = nanoseconds();
        if (kill(pid, SIGUSR1) < 0) err(1, "kill %d", (int)pid);
    }
    for (long i = 0; i < times; i++) printf("%" PRId64 "\n", sent[i]);
    return fflush(stdout) == 0 ? 0 : 1;
}
