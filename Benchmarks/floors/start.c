// SPDX-License-Identifier: GPL-3.0-or-later
//
// start RESULT SOCKET PROGRAM [ARGUMENT...]: becomes PROGRAM, so that the caller knows its pid, and writes into RESULT
// how many milliseconds passed from there until PROGRAM said READY=1 on NOTIFY_SOCKET ("ready 12.3 …"), or answered a
// Varlink call on SOCKET ("answer 12.3 …"), whichever came first, and from when on, in nanoseconds of CLOCK_MONOTONIC;
// "none" when neither came within 30 s. SOCKET may be "" where there is none to ask.

#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double milliseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) errx(1, "'%s' is too long for a socket", path);
    strcpy(address.sun_path, path);
    return address;
}

/// A connection on which the daemon has been asked something, or -1.
static int ask(const struct sockaddr_un *address) {
    static const char call[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(descriptor, (const struct sockaddr *)address, sizeof *address) == 0 &&
        send(descriptor, call, sizeof call, MSG_NOSIGNAL) == (ssize_t)sizeof call)
        return descriptor;
    close(descriptor);
    return -1;
}

static const char *watch(int notify, const char *path, double began, double *took) {
    struct sockaddr_un address = address_of(path);
    struct pollfd polled[2] = {{.fd = notify, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    while (milliseconds() - began < 30000) {
        if (*path && polled[1].fd < 0) polled[1].fd = ask(&address);
        if (poll(polled, 2, 1) < 0 && errno != EINTR) err(1, "poll");
        *took = milliseconds() - began;
        char buffer[4096];
        if (polled[0].revents) {
            ssize_t length = recv(notify, buffer, sizeof buffer - 1, MSG_DONTWAIT);
            buffer[length > 0 ? length : 0] = 0;
            if (strstr(buffer, "READY=1")) return "ready";
        }
        if (polled[1].fd >= 0 && polled[1].revents) {
            if (recv(polled[1].fd, buffer, sizeof buffer, MSG_DONTWAIT) > 0) return "answer";
            close(polled[1].fd);
            polled[1].fd = -1;
        }
    }
    return NULL;
}

int main(int count, char **arguments) {
    if (count < 4) errx(64, "usage: start RESULT SOCKET PROGRAM [ARGUMENT...]");
    const char *result = arguments[1];
    char path[108];
    if (snprintf(path, sizeof path, "%s.notify", result) >= (int)sizeof path) errx(1, "'%s' is too long", result);
    unlink(path);
    struct sockaddr_un address = address_of(path);
    int notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(notify, (struct sockaddr *)&address, sizeof address) < 0) err(1, "bind '%s'", path);
    setenv("NOTIFY_SOCKET", path, 1);

    // Forked twice: a child that the daemon did not start itself would be taken for a leftover.
    double began = milliseconds();
    pid_t between = fork();
    if (between < 0) err(1, "fork");
    if (between == 0) {
        if (fork() != 0) _exit(0);
        double took = 0;
        const char *word = watch(notify, arguments[2], began, &took);
        char temporary[128];
        snprintf(temporary, sizeof temporary, "%s.new", result);
        FILE *file = fopen(temporary, "w");
        if (!file) err(1, "fopen '%s'", temporary);
        if (word) fprintf(file, "%s %.1f %.0f\n", word, took, began * 1e6);
        else fprintf(file, "none\n");
        fclose(file);
        rename(temporary, result);
        unlink(path);
        _exit(0);
    }
    waitpid(between, NULL, 0);
    execv(arguments[3], arguments + 3);
    err(127, "execv '%s'", arguments[3]);
}
