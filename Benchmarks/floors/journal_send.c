// SPDX-License-Identifier: GPL-3.0-or-later
//
// journal_send COUNT MICROSECONDS FIELD=VALUE [OTHERS EVERY]: sends COUNT entries with that field to the journal, one
// in every MICROSECONDS at no regular time, or, with 0, as fast as it can; then prints for each when it was about to
// be sent, in nanoseconds of CLOCK_MONOTONIC. The cause of what the rows on journal triggers measure.
//
// With OTHERS only one of EVERY entries is of that VALUE, and none where EVERY is 0; the rest have OTHERS different
// values, and no time is printed for them. A COUNT of 0 sends until a signal ends it.
//
// It goes to the cgroup $BENCH_CGROUP first: the daemon takes entries from its own for those of its modules.
//
// pkg-config: libsystemd

#include <inttypes.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include "floor.h"

static void join_cgroup(const char *cgroup) {
    char path[4096];
    snprintf(path, sizeof path, "%s/cgroup.procs", cgroup);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, "0", 1) != 1) err(1, "'%s'", path);
    close(file);
}

static struct iovec text(char *line) { return (struct iovec){line, strlen(line)}; }

int main(int count, char **arguments) {
    long entries = count > 3 ? atol(arguments[1]) : -1, microseconds = count > 3 ? atol(arguments[2]) : 0;
    long others = count == 6 ? atol(arguments[4]) : 0, every = count == 6 ? atol(arguments[5]) : 1;
    if (entries < 0 || (count != 4 && others < 1) || every < 0)
        errx(64, "usage: journal_send COUNT MICROSECONDS FIELD=VALUE [OTHERS EVERY]");
    const char *cgroup = getenv("BENCH_CGROUP");
    if (cgroup && *cgroup) join_cgroup(cgroup);

    int64_t *sent = calloc((size_t)entries + 1, sizeof *sent), matching = 0;
    if (!sent) err(1, "calloc");
    int64_t began = nanoseconds(), period = (int64_t)microseconds * 1000;
    uint64_t random = 1;
    for (long i = 0; entries == 0 || i < entries; i++) {
        if (period > 0) {
            // In step with nothing that looks periodically, and never an eighth from its place.
            random = random * 6364136223846793005 + 1442695040888963407;
            int64_t due = began + i * period + (int64_t)(random >> 33) % (period / 8 + 1);
            struct timespec time = {due / 1000000000, due % 1000000000};
            while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) continue;
        }
        char message[96], field[256];
        bool matches = every > 0 && i % every == 0;
        snprintf(message, sizeof message, "MESSAGE=entry %ld of a benchmark that says nothing of interest", i);
        if (matches) snprintf(field, sizeof field, "%s", arguments[3]);
        else snprintf(field, sizeof field, "%.*s=other-%ld", (int)strcspn(arguments[3], "="), arguments[3], i % others);
        struct iovec fields[] = {
            text(message), text("PRIORITY=6"), text("SYSLOG_IDENTIFIER=crd-bench"), text(field),
        };
        if (matches && entries > 0) sent[matching++] = nanoseconds();
        int result = sd_journal_sendv(fields, sizeof fields / sizeof *fields);
        if (result < 0) errx(1, "sd_journal_sendv: %s", strerror(-result));
    }
    for (int64_t i = 0; i < matching; i++) printf("%" PRId64 "\n", sent[i]);
    return fflush(stdout) == 0 ? 0 : 1;
}
