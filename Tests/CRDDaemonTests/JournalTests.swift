// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// A real journald in a mount namespace of its own, with nothing of the machine's journal in it.
enum PrivateJournal {
    static let isPossible =
        Surroundings.isRoot
        && ["systemd-journald", "systemd-cat", "journalctl", "unshare"]
            .allSatisfy { Surroundings.find($0) != nil }

    /// Starts journald, then the arguments with standard error connected to it; when the file DONE
    /// is there it stops them, and writes the journal as JSON to the file ENTRIES.
    static let script = """
        #!/bin/sh
        # private-journal DONE ENTRIES COMMAND...
        set -eu
        if [ -z "${IN_NAMESPACE:-}" ]; then
            exec env IN_NAMESPACE=1 unshare --mount --propagation private -- "$0" "$@"
        fi
        done=$1 entries=$2
        shift 2
        for directory in /run/systemd /run/log; do
            mount -t tmpfs -o mode=755 tmpfs "$directory"
        done
        # journald makes /dev/log, which must not be the machine's.
        mkdir /run/systemd/upper /run/systemd/work
        mount -t overlay -o lowerdir=/dev,upperdir=/run/systemd/upper,workdir=/run/systemd/work \\
            overlay /dev
        mkdir -p /run/systemd/journal /run/systemd/journald.conf.d
        cat >/run/systemd/journald.conf.d/test.conf <<EOF
        [Journal]
        Storage=volatile
        RateLimitIntervalSec=0
        RateLimitBurst=0
        ReadKMsg=no
        Audit=no
        RuntimeMaxUse=16M
        EOF
        PATH=$PATH:/lib/systemd:/usr/lib/systemd
        systemd-journald &
        journald=$!
        daemon=
        trap 'kill $daemon $journald 2>/dev/null || :; wait' EXIT
        until [ -S /run/systemd/journal/socket ]; do sleep 0.01; done
        # Newer ones set JOURNAL_STREAM themselves, as the service manager does.
        systemd-cat --identifier=cat -- /bin/sh -c \
            'JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec "$@"' sh "$@" &
        daemon=$!
        until [ -e "$done" ]; do sleep 0.05; done
        kill "$daemon"
        wait "$daemon"
        journalctl --sync
        journalctl --directory=/run/log/journal --all --output=json >"$entries"
        """
}

@Suite(
    "Where standard error leads to the journal",
    .takesTurns, .enabled(if: PrivateJournal.isPossible, "needs root and systemd-journald"))
struct JournalTests {
    @Test("lines have their fields, their module's name and their priority")
    func fields() async throws {
        let world = try World()
        try world.module(
            "Talk", check: "echo looking >&2; echo \"$CRD_RUN\" >'\(world.notes)/run'",
            response: "echo '<3>it hurts'; echo 'two words' >&2; printf '<7>\\377\\n'")
        try world.module("Sour", check: "exit 7")
        let runner = try world.script(PrivateJournal.script, at: "private-journal")
        let program = try Program(
            [runner, "\(world.notes)/done", "\(world.notes)/entries"]
                + [Binary.path, "daemon", "--config", world.configuration],
            environment: World.environment, output: world.log, errors: world.log)
        try await eventually("the daemon answers") {
            (try? world.list()) != nil || program.hasEnded
        }
        try #require(!program.hasEnded, "\(world.lines)")
        try await world.runs(1, of: "Talk")
        try await world.runs(1, of: "Sour")
        try world.write("", to: "notes/done")
        #expect(try await program.end() == 0, "\(world.lines)")

        let run = try #require(world.notedLines("run").first)
        let entries = try world.notedLines("entries").map {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
        }
        func entry(_ message: String) throws -> [String: String] {
            let found = entries.filter { ($0["MESSAGE"] as? String)?.contains(message) == true }
            #expect(found.count == 1, "\(message)")
            return try #require(found.first).compactMapValues { $0 as? String }
        }
        func expect(
            _ message: String, _ expected: [String: String],
            sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let found = try entry(message)
            let same = found.filter { expected[$0.key] != nil }
            #expect(same == expected, "\(message)", sourceLocation: sourceLocation)
        }

        let common = ["CRD_MODULE": "Talk", "CRD_RUN": run, "CRD_TRIGGER": "start"]
        try expect(
            "Talk: condition held (start",
            common.merging([
                "CRD_ROLE": "response", "CRD_OUTCOME": "done", "SYSLOG_IDENTIFIER": "crd",
                "PRIORITY": "5",
            ]) { $1 })
        try expect(
            "looking",
            common.merging([
                "CRD_ROLE": "check", "SYSLOG_IDENTIFIER": "crd.Talk", "PRIORITY": "6",
            ]) { $1 })
        try expect(
            "it hurts",
            common.merging([
                "CRD_ROLE": "response", "SYSLOG_IDENTIFIER": "crd.Talk", "PRIORITY": "3",
                "MESSAGE": "it hurts",
            ]) { $1 })
        try expect("two words", ["PRIORITY": "6", "SYSLOG_IDENTIFIER": "crd.Talk"])
        try expect("Sour: check ended with exit code 7", ["CRD_MODULE": "Sour", "PRIORITY": "4"])
        try expect("started version", ["SYSLOG_IDENTIFIER": "crd", "PRIORITY": "5"])
        // All of it native: nothing came as text through the stream.
        #expect(entries.allSatisfy { $0["SYSLOG_IDENTIFIER"] as? String != "cat" })
        #expect(
            entries.contains {
                $0["MESSAGE"] as? [Int] == [0xff] && $0["PRIORITY"] as? String == "7"
            })
    }
}
