// SPDX-License-Identifier: GPL-3.0-or-later
//
// journal doorbell|poll|notify FIELD=VALUE PROGRAM: starts PROGRAM for new journal entries with that field, never two
// at once, and once more if something came meanwhile; CRD_EVENT_COUNT tells it how often. Says READY first, ends with
// a signal. Floor of the daemon's journal triggers: libsystemd, one field of each entry, posix_spawn, a pidfd.
//
// How it learns that there are entries: doorbell is a perf event that tells when journald goes to sleep, which is when
// it has written what it received; poll looks every 10 ms; notify waits for what journald tells inotify, 250 to 500 ms
// late.
//
// pkg-config: libsystemd

#define _GNU_SOURCE
#include <dirent.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>

#include "floor.h"

enum {
    few = 4,           // What more than that are is a storm, in which nobody needs to be woken.
    most = 256,        // Entries of one look.
    storm_pause = 2,   // Milliseconds.
    poll_pause = 10,
};

/// Whether a process is the journald that writes what we read: there are others in containers and sandboxes.
static bool is_journald(const char *pid) {
    char path[300], program[4096];
    snprintf(path, sizeof path, "/proc/%s/exe", pid);
    ssize_t length = readlink(path, program, sizeof program - 1);
    program[length > 0 ? length : 0] = 0;
    const char *name = strrchr(program, '/');
    if (!name || strcmp(name, "/systemd-journald") != 0) return false;
    struct stat theirs, ours;
    snprintf(path, sizeof path, "/proc/%s/root/run/systemd/journal/socket", pid);
    return stat(path, &theirs) == 0 && stat("/run/systemd/journal/socket", &ours) == 0 &&
           theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

static pid_t find_journald(void) {
    DIR *processes = opendir("/proc");
    if (!processes) err(1, "/proc");
    pid_t pid = 0;
    for (struct dirent *entry; pid == 0 && (entry = readdir(processes));)
        if (is_journald(entry->d_name)) pid = atoi(entry->d_name);
    closedir(processes);
    if (pid == 0) errx(1, "there is no journald");
    return pid;
}

struct bell {
    int descriptor;
    bool armed;
    struct perf_event_mmap_page *page;
};

static struct bell hang_bell(void) {
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof attributes,
        .config = PERF_COUNT_SW_CONTEXT_SWITCHES,
        .sample_period = 1,
        .wakeup_events = 1,
        .disabled = 1,
    };
    struct bell bell = {0};
    bell.descriptor =
        (int)syscall(SYS_perf_event_open, &attributes, find_journald(), -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (bell.descriptor < 0) err(1, "perf_event_open");
    // Without a buffer it would wake nobody.
    bell.page = mmap(NULL, 2 * (size_t)getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, bell.descriptor, 0);
    if (bell.page == MAP_FAILED) err(1, "mmap");
    return bell;
}

/// For one ring.
static void arm(struct bell *bell) {
    uint64_t head = __atomic_load_n(&bell->page->data_head, __ATOMIC_ACQUIRE);
    __atomic_store_n(&bell->page->data_tail, head, __ATOMIC_RELEASE);
    if (ioctl(bell->descriptor, PERF_EVENT_IOC_REFRESH, 1) < 0) err(1, "PERF_EVENT_IOC_REFRESH");
    bell->armed = true;
}

static sd_journal *journal;

static int succeed(int result, const char *what) {
    if (result < 0) errx(1, "%s: %s", what, strerror(-result));
    return result;
}

/// How many new entries there were, of which those with the FIELD=VALUE are added to PENDING.
static int look(const char *wanted, long *pending) {
    static char field[64];
    size_t wanted_length = strlen(wanted);
    if (!*field) memcpy(field, wanted, strcspn(wanted, "="));
    succeed(sd_journal_process(journal), "sd_journal_process");
    int entries = 0;
    while (entries < most && succeed(sd_journal_next(journal), "sd_journal_next") > 0) {
        entries++;
        const void *data;
        size_t length;
        int result = sd_journal_get_data(journal, field, &data, &length);
        if (result == -ENOENT) continue;
        succeed(result, "sd_journal_get_data");
        if (length == wanted_length && memcmp(data, wanted, length) == 0) ++*pending;
    }
    return entries;
}

int main(int count, char **arguments) {
    const char *way = count == 4 ? arguments[1] : "";
    bool doorbell = strcmp(way, "doorbell") == 0, poll = strcmp(way, "poll") == 0;
    if ((!doorbell && !poll && strcmp(way, "notify") != 0) || strcspn(arguments[2], "=") > 63)
        errx(64, "usage: journal doorbell|poll|notify FIELD=VALUE PROGRAM");

    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) err(1, "epoll_create1");
    succeed(sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY), "sd_journal_open");
    int files = succeed(sd_journal_get_fd(journal), "sd_journal_get_fd");
    // Where there is only polling, nothing else wakes it.
    if (!poll) add(epoll, files, EPOLLIN);
    succeed(sd_journal_seek_tail(journal), "sd_journal_seek_tail");
    // From the tail of an empty journal no entry would be the next one.
    if (succeed(sd_journal_previous(journal), "sd_journal_previous") == 0)
        succeed(sd_journal_seek_head(journal), "sd_journal_seek_head");
    struct bell bell = {.descriptor = -1};
    if (doorbell) {
        bell = hang_bell();
        // By its edge, or a spent bell would wake it again and again.
        add(epoll, bell.descriptor, EPOLLIN | EPOLLET);
    }
    say_ready();

    long pending = 0;
    int running = -1;
    bool storm = false;
    for (;;) {
        // Before looking: an entry that comes after the look has to ring.
        if (doorbell && !storm && !bell.armed) arm(&bell);
        int entries = look(arguments[2], &pending);
        if (running < 0 && pending > 0) {
            running = start(arguments[3], pending);
            add(epoll, running, EPOLLIN);
            pending = 0;
        }
        bool calm = storm && entries <= few;
        storm = doorbell && entries > few;
        if (calm) continue;

        struct epoll_event events[3];
        int timeout = entries == most ? 0 : storm ? storm_pause : poll ? poll_pause : -1;
        int ready = epoll_wait(epoll, events, 3, timeout);
        if (ready < 0 && errno != EINTR) err(1, "epoll_wait");
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == bell.descriptor) bell.armed = false;
            if (events[i].data.fd != running) continue;
            reap(running);
            running = -1;
        }
    }
}
