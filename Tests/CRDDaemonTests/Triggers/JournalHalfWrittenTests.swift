// SPDX-License-Identifier: GPL-3.0-or-later

import CTestSupport
import Foundation
import Synchronization
import Testing

/// Goal: an entry is told even if the daemon looked while journald was writing it.
/// Method: a hardware watchpoint stops journald right after it has counted the entry in the file's
/// header, before it links the entry to its fields, as preemption may. The stop is a context
/// switch, so the doorbell rings, and the daemon looks. Then journald goes on, and nothing else is
/// logged.
@Suite(
    "An entry that journald is still writing", .takesTurns,
    .enabled(if: JournaldBox.isPossible, "\(JournaldBox.needs)"),
    .enabled(
        if: crd_test_has_watchpoints() && Surroundings.isRoot, "needs debug registers and root"))
struct JournalHalfWrittenTests {
    /// Where the header counts the file's entries (https://systemd.io/JOURNAL_FILE_FORMAT/).
    private static let countOffset: UInt = 152

    /// Where journald has mapped the beginning of the file that it writes to.
    private func headers(of journald: pid_t, in box: JournaldBox) async throws -> [UInt] {
        // Foundation reads only the beginning of what has no size.
        let maps = try await box.run("cat /proc/\(journald)/maps")
        return maps.split(separator: "\n").compactMap { line in
            // FROM-TO RIGHTS OFFSET DEVICE INODE PATH
            let parts = line.split(separator: " ", omittingEmptySubsequences: true)
            guard line.hasSuffix("/system.journal"), UInt(parts[2], radix: 16) == 0 else {
                return nil
            }
            return parts[0].split(separator: "-").first.flatMap { UInt($0, radix: 16) }
        }
    }

    @Test("is told, whatever wakes the daemon", arguments: ["auto", "notify", "20ms"])
    func halfWritten(wake: String) async throws {
        let place = try await JournalWorld(more: "auto-reload = false\njournal-wake = '\(wake)'")
        let log = try place.witness("Log", "match = { TEST = 'yes' }")
        try await place.start()
        try place.box.send(["MESSAGE": "1", "TEST": "yes"])
        try await log.tells(["1"])
        try await log.state("idle")
        let journald = try #require(place.box.journald?.pid)
        let counts = try await headers(of: journald, in: place.box).map { $0 + Self.countOffset }
        try #require(!counts.isEmpty)
        // journald still has its announcement to make, and the daemon something to store.
        try await Task.sleep(for: .seconds(2))

        let watch = Watchpoint(journald, counts)
        try await eventually("it is armed") { watch.state != .begun }
        try place.box.send(["MESSAGE": "2", "TEST": "yes"])
        try await eventually("journald is stopped") {
            if case .failed(let error) = watch.state {
                throw Trouble("journald cannot be stopped: \(String(cString: strerror(error)))")
            }
            return watch.state == .stopped
        }
        defer { kill(journald, SIGCONT) }
        // Time to look; a look that comes later finds the whole entry and proves nothing.
        try await Task.sleep(for: .milliseconds(500))
        kill(journald, SIGCONT)
        try await log.tells(["1", "2"])
    }

    /// Stops journald in the middle of its next entry.
    private final class Watchpoint: Sendable {
        enum State: Equatable {
            case begun, armed, stopped
            case failed(errno: CInt)
        }

        private let current = Mutex(State.begun)

        var state: State { current.withLock { $0 } }

        init(_ journald: pid_t, _ places: [UInt]) {
            Thread.detachNewThread { [self] in
                let context = Unmanaged.passUnretained(self).toOpaque()
                let result = crd_test_stop_after_write(
                    journald, places, CInt(places.count),
                    { context in
                        guard let context else { return }
                        Unmanaged<Watchpoint>.fromOpaque(context).takeUnretainedValue().enter(
                            .armed)
                    }, context)
                enter(result == 0 ? .stopped : .failed(errno: errno))
            }
        }

        private func enter(_ state: State) { current.withLock { $0 = state } }
    }
}
