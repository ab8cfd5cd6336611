// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#pragma clang assume_nonnull begin

/// The name of a journal field.
struct crd_journal_name {
    const char *text;
    size_t size;
};

/// Continues through the data of the current entry (sd_journal_enumerate_available_data(3)) to the next
/// datum of one of the fields. In C for speed, since entries have some thirty of them.
///
/// \param value is valid until the next call.
/// \param visited counts the data looked at.
/// \returns the field's index, or -1 at the end.
static inline int crd_journal_next_value(sd_journal *journal, const struct crd_journal_name *names, int count,
                                         const void *_Nullable *_Nonnull value, size_t *size, int *visited) {
    const void *data;
    size_t length;
    while (sd_journal_enumerate_available_data(journal, &data, &length) > 0) {
        const char *text = data;
        ++*visited;
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

/// A slot in a table of wanted values; free if `bytes` is NULL.
struct crd_journal_slot {
    uint64_t hash;
    const void *_Nullable bytes;
    size_t size;
    int field;
};

/// The wanted values of fields, found by their hash.
struct crd_journal_table {
    const struct crd_journal_name *names;
    int name_count;
    /// There is one field, which an entry has once, so it is fetched by name.
    bool is_single;
    const struct crd_journal_slot *slots;
    /// The number of slots, which is a power of two, minus one.
    size_t mask;
    /// The length of the longest wanted value.
    size_t size_max;
};

/// FNV-1a with its halves folded: the lower bits of values that differ only in a digit are much alike.
static inline uint64_t crd_journal_hash(const void *bytes, size_t size, int field) {
    uint64_t hash = 0xcbf29ce484222325u ^ (uint64_t)field;
    for (size_t index = 0; index < size; index++) {
        hash = (hash ^ ((const uint8_t *)bytes)[index]) * 0x100000001b3u;
    }
    return hash ^ hash >> 32;
}

static inline bool crd_journal_table_has(const struct crd_journal_table *table, const void *value, size_t size,
                                         int field) {
    if (size > table->size_max) return false;
    uint64_t hash = crd_journal_hash(value, size, field);
    for (size_t place = hash & table->mask;; place = (place + 1) & table->mask) {
        const struct crd_journal_slot *slot = &table->slots[place];
        if (slot->bytes == NULL) return false;
        if (slot->hash == hash && slot->field == field && slot->size == size &&
            memcmp(slot->bytes, value, size) == 0) {
            return true;
        }
    }
}

static inline bool crd_journal_is_wanted(sd_journal *journal, const struct crd_journal_table *table, int *visited) {
    const void *value;
    size_t size;
    if (table->is_single) {
        size_t skipped = table->names[0].size + 1;
        if (sd_journal_get_data(journal, table->names[0].text, &value, &size) < 0) return false;
        if (size < skipped) return false;
        return crd_journal_table_has(table, (const char *)value + skipped, size - skipped, 0);
    }
    sd_journal_restart_data(journal);
    for (;;) {
        int field = crd_journal_next_value(journal, table->names, table->name_count, &value, &size, visited);
        if (field < 0) return false;
        if (crd_journal_table_has(table, value, size, field)) return true;
    }
}

/// Moves to the next entry that has one of the values: most entries are unwanted. Passes at most `max`
/// entries, and no further one after `visited_max` data, since an entry may have a thousand.
///
/// \param passed is the number of entries passed, including the last.
/// \returns 1 at such an entry, 0 at the end of the journal, 2 if there may be more, or a negative error
/// number.
static inline int crd_journal_skip(sd_journal *journal, const struct crd_journal_table *table, int max,
                                   int visited_max, int *passed) {
    int visited = 0;
    for (*passed = 0; *passed < max && visited < visited_max;) {
        int result = sd_journal_next(journal);
        if (result <= 0) return result;
        ++*passed;
        if (crd_journal_is_wanted(journal, table, &visited)) return 1;
    }
    return 2;
}

#pragma clang assume_nonnull end
