// SPDX-License-Identifier: GPL-3.0-or-later
//
// rabbit COUNT: leaves COUNT processes, each of which does nothing but fork, and ends when its child is there. So none
// of them lives for more than a fraction of a millisecond. They give up after five minutes, and are at most 4,000, those
// included that nobody has collected.
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

int main(int count, char **arguments) {
    const time_t end = time(NULL) + 300;
    const struct rlimit most = {.rlim_cur = 4000, .rlim_max = 4000};
    if (setrlimit(RLIMIT_NPROC, &most) == -1) return 2;
    signal(SIGTERM, SIG_IGN);
    for (int i = count < 2 ? 0 : atoi(arguments[1]); i > 0; i--) {
        if (fork() != 0) continue;
        for (int descriptor = 0; descriptor < 4; descriptor++) close(descriptor);
        while (time(NULL) < end) {
            if (fork() > 0) _exit(0);
            setsid();
        }
        _exit(0);
    }
    return 1;
}
