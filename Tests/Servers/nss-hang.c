// SPDX-License-Identifier: GPL-3.0-or-later
//
// A name service (nsswitch.conf(5)) whose server answers once the file named by NSS_HANG_UNTIL
// exists. It notes each question in the file of that name with ".asked".
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static enum nss_status wait_for_server(int *error) {
    const char *file = getenv("NSS_HANG_UNTIL");
    char asked[4096];
    snprintf(asked, sizeof asked, "%s.asked", file ? file : "/dev/null");
    close(open(asked, O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
    while (file && access(file, F_OK) == -1) usleep(20000);
    *error = ENOENT;
    return NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_hang_initgroups_dyn(const char *user, gid_t group, long *start, long *size, gid_t **groups,
                                         long limit, int *error) {
    (void)user, (void)group, (void)start, (void)size, (void)groups, (void)limit;
    return wait_for_server(error);
}

enum nss_status _nss_hang_getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size, int *error) {
    (void)name, (void)entry, (void)buffer, (void)size;
    return wait_for_server(error);
}

enum nss_status _nss_hang_getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, int *error) {
    (void)uid, (void)entry, (void)buffer, (void)size;
    return wait_for_server(error);
}

enum nss_status _nss_hang_getgrnam_r(const char *name, struct group *entry, char *buffer, size_t size, int *error) {
    (void)name, (void)entry, (void)buffer, (void)size;
    return wait_for_server(error);
}

enum nss_status _nss_hang_getgrgid_r(gid_t gid, struct group *entry, char *buffer, size_t size, int *error) {
    (void)gid, (void)entry, (void)buffer, (void)size;
    return wait_for_server(error);
}
