// SPDX-License-Identifier: GPL-3.0-or-later
//
// tree DIRECTORY: adds an inotify watch on every directory of the tree, says READY, and keeps them until a signal
// ends it. Floor of the daemon's recursive path triggers: nftw and inotify_add_watch, and nothing remembered.

#define _GNU_SOURCE
#include <ftw.h>
#include <sys/inotify.h>

#include "floor.h"

static int inotify;

static int watch(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status, (void)place;
    const uint32_t mask = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVE | IN_DELETE | IN_ONLYDIR | IN_DONT_FOLLOW;
    if (type == FTW_D && inotify_add_watch(inotify, path, mask) < 0) err(1, "inotify_add_watch '%s'", path);
    return 0;
}

int main(int count, char **arguments) {
    if (count != 2) errx(64, "usage: tree DIRECTORY");
    inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (inotify < 0) err(1, "inotify_init1");
    if (nftw(arguments[1], watch, 64, FTW_PHYS) != 0) err(1, "nftw '%s'", arguments[1]);
    say_ready();
    pause();
}
