// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// Cleans up after a test run that was killed and could not do so itself: a shell that waits for
/// the end of a pipe whose other end is ours.
final class Janitor: Sendable {
    static let shared = Janitor()

    private let pipe: CInt

    private static let script = """
        places=
        while read -r place; do
            places="$places $place"
        done
        for place in $places; do
            directory=${place%%:*}
            [ -d "$directory" ] || continue
            marks="-e $directory"
            [ "$place" = "$directory:" ] || marks="$marks -e ${place##*:}"
            for round in 1 2 3 4 5 6 7 8 9 10; do
                for file in $(grep -lsaF $marks /proc/[0-9]*/cmdline /proc/[0-9]*/environ); do
                    pid=${file#/proc/}
                    kill -KILL "${pid%%/*}"
                done
            done
            if [ -e "$directory/cgroup.procs" ]; then
                if [ -e "$directory/cgroup.kill" ]; then
                    echo 1 >"$directory/cgroup.kill"
                else
                    find "$directory" -name cgroup.procs -exec cat {} + | xargs -r kill -KILL
                fi
                sleep 1
                find "$directory" -depth -type d -exec rmdir {} \\;
            else
                rm -rf "$directory"
            fi
        done 2>/dev/null
        """

    private init() {
        var ends: [CInt] = [-1, -1]
        // A program being started must not inherit our end: the pipe would outlive us.
        Program.startingOrWriting.withLock {
            precondition(Foundation.pipe(&ends) == 0)
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        }
        // Without the janitor, only killed tests leave something behind.
        signal(SIGPIPE, SIG_IGN)
        // Open until we are gone, however that happens.
        pipe = ends[1]
        // In a session of its own, so that an interrupt at the terminal does not reach it.
        let shell = try? Program(
            ["/usr/bin/setsid", "--fork", "/bin/sh", "-c", Self.script],
            environment: World.environment, input: "/proc/self/fd/\(ends[0])",
            output: "/dev/null", errors: "/dev/null")
        while shell?.hasEnded == false { usleep(1_000) }
        close(ends[0])
    }

    /// - Parameter command: its last word, too, identifies processes to kill.
    func expect(_ directory: String, _ command: String) {
        let mark = command.split(separator: " ").last ?? ""
        let text = Array("\(directory):\(mark)\n".utf8)
        _ = text.withUnsafeBytes { write(pipe, $0.baseAddress!, $0.count) }
    }
}
