// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include <string.h>

#pragma clang assume_nonnull begin

/// A field's name.
struct crd_journal_name {
    const char *text;
    size_t size;
};

/// Goes on through the data of the entry at hand (sd_journal_enumerate_available_data(3)) to the next
/// that is of one of the fields: here, since entries have some thirty of them.
///
/// \param value is valid until the next call.
/// \returns the field's number, or -1 at the end.
static inline int crd_journal_next_value(sd_journal *journal, const struct crd_journal_name *names, int count,
                                         const void *_Nullable *_Nonnull value, size_t *size) {
    const void *data;
    size_t length;
    while (sd_journal_enumerate_available_data(journal, &data, &length) > 0) {
        const char *text = data;
        for (int index = 0; index < count; index++) {
            size_t end = names[index].size;
            if (length <= end || text[end] != '=' || memcmp(text, names[index].text, end) != 0) continue;
            *value = text + end + 1;
            *size = length - end - 1;
            return index;
        }
    }
    return -1;
}

#pragma clang assume_nonnull end
