// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc

/// Waits until a run of a module's outgoing version has ended, including its response, which needs
/// the files in the module's directory. Does not wait for a run that this crd is part of.
struct RunWait {
    private static let period = Duration.milliseconds(100)

    let module: String
    let console: InstallationConsole
    let settings: Configuration

    /// Waits for the run that is under way, if there is one, but no longer than a run may take.
    func wait() {
        guard let interruption = console.interruption, let name = ModuleName(module),
            let run = console.runUnderWay(name), !isPartOfRun
        else { return }
        let end = Clock.now + settings.timeout + settings.grace
        var hasSaid = false
        while interruption.signal == nil {
            // The daemon answers with all its modules; the pauses limit this to a tenth of its
            // time.
            let asked = Clock.now
            guard asked < end, console.runUnderWay(name) == run else { return }
            if !hasSaid { console.say("waiting for a run of \(name) to end") }
            hasSaid = true
            let pause = max(Self.period, asked.duration(to: Clock.now) * 9)
            let next = min(Clock.now + pause, end)
            while Clock.now < next, interruption.signal == nil {
                usleep(UInt32(Self.period.nanoseconds / 1_000))
            }
        }
    }

    private var isPartOfRun: Bool {
        ([getpid()] + ProcessTable.ancestors(of: getpid())).contains { pid in
            ProcessTable.environment(of: pid, ["CRD_MODULE"])?["CRD_MODULE"] == module
        }
    }
}
