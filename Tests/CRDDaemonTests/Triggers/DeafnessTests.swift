// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Logging
import Synchronization
import Testing

@testable import CRDDaemon

/// What is reported about a deaf module.
@Suite("Deafness, as it is told")
struct DeafnessTests {
    private static let reason = "no watch left for /srv; raise fs.inotify.max_user_watches"
    private let module = ModuleID(0)

    private func scheduler(_ change: (inout Policy) -> Void = { _ in }) throws -> Scheduler {
        let name = try #require(ModuleName("Log"))
        var policy = Policy(name: name, configuration: Configuration())
        change(&policy)
        return Scheduler([policy], slots: 1, at: Instant(nanoseconds: 0))
    }

    private func shown(_ scheduler: Scheduler, waitingFor: String? = nil) -> (String, String?) {
        let status = scheduler.status(of: module, at: Instant(nanoseconds: 1))
        return (
            ControlInterface.Module.state(of: status, waitingFor: waitingFor),
            ControlInterface.Module.reason(of: status, [])
        )
    }

    @Test("G9: a deaf module is listed as degraded, with the reason") func degraded() throws {
        var scheduler = try scheduler()
        _ = scheduler.receive(
            .deafened(module, .path, reason: Self.reason), at: .init(nanoseconds: 0))
        #expect(shown(scheduler, waitingFor: "/srv") == ("degraded", Self.reason))
        _ = scheduler.receive(.started, at: .init(nanoseconds: 0))
        #expect(shown(scheduler) == ("checking", Self.reason))
        _ = scheduler.receive(.unable(module, reason: "no exec"), at: .init(nanoseconds: 0))
        #expect(shown(scheduler) == ("failed", "no exec; \(Self.reason)"))
    }

    @Test("G9: an idle module is listed as waiting for a path that is not there")
    func waiting() throws {
        var scheduler = try scheduler()
        #expect(shown(scheduler) == ("idle", nil))
        #expect(shown(scheduler, waitingFor: "/srv") == ("waiting for /srv", nil))
        _ = scheduler.receive(.started, at: .init(nanoseconds: 0))
        #expect(shown(scheduler, waitingFor: "/srv") == ("checking", nil))
    }

    @Test("G9: the log says what is wrong, how bad it is, and when it is over")
    func log() throws {
        let lines = Lines()
        let reporter = RunReporter(logger: Logger(label: "test") { _ in lines })
        let faults = [true, false].map { Deafness(reason: Self.reason, isPolled: $0) }
        for deafness in faults + [nil] {
            reporter.report(.deafness(deafness), of: "Log", responseFails: false)
        }
        #expect(
            lines.all == [
                "warning Log: \(Self.reason); meanwhile it is checked at least every 5s",
                "error Log: deaf: \(Self.reason); its interval is \"off\", so it misses what "
                    + "happens; set an interval, so that it is checked at least every 5s in "
                    + "the meantime",
                "notice Log: all its triggers are watched again",
            ])
    }

    /// A handler whose lines can be read.
    private final class Lines: LogHandler {
        private let told = Mutex<[String]>([])
        var all: [String] { told.withLock { $0 } }
        var metadata: Logger.Metadata {
            get { [:] }
            set {}
        }
        var logLevel: Logger.Level {
            get { .trace }
            set {}
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { nil }
            set {}
        }

        func log(event: LogEvent) {
            told.withLock { $0.append("\(event.level) \(event.message)") }
        }
    }
}
