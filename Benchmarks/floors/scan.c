// SPDX-License-Identifier: GPL-3.0-or-later
//
// scan DIRECTORY FIELD: reads FIELD of every entry in the journal files of DIRECTORY, or, with "-", of the machine's
// journal, and prints how many entries a second that was and how many there are. Floor of the daemon's way through a
// journal: sd_journal_next and one sd_journal_get_data.
//
// pkg-config: libsystemd

#include <systemd/sd-journal.h>

#include "floor.h"

int main(int count, char **arguments) {
    if (count != 3) errx(64, "usage: scan DIRECTORY|- FIELD");
    sd_journal *journal;
    int result = strcmp(arguments[1], "-") == 0 ? sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY)
                                                : sd_journal_open_directory(&journal, arguments[1], 0);
    if (result >= 0) result = sd_journal_seek_head(journal);
    if (result < 0) errx(1, "the journal cannot be opened: %s", strerror(-result));
    int64_t began = nanoseconds();
    long entries = 0;
    while ((result = sd_journal_next(journal)) > 0) {
        const void *data;
        size_t length;
        entries++;
        result = sd_journal_get_data(journal, arguments[2], &data, &length);
        if (result < 0 && result != -ENOENT) break;
    }
    if (result < 0) errx(1, "entry %ld cannot be read: %s", entries, strerror(-result));
    printf("%.0f %ld\n", (double)entries / ((double)(nanoseconds() - began) / 1e9), entries);
    return 0;
}
