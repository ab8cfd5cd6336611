// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import Testing

/// Goal: no interleaving of events breaks G1 to G6, G9 or G10, loses a trigger, waits without need,
/// or keeps the daemon from exiting.
/// Method: random events against a model of the contract; then the world calms down, and everything
/// must settle and hear again.
///
/// Proof that it works: the core was broken on purpose, one way at a time. Each time about so many
/// of the thousand seeds failed, most often with this message.
///
/// | broken | seeds | message |
/// |---|---|---|
/// | events not put back when the check cannot start | 638 | G2: B99.4 keeps 0 of 1 triggers |
/// | events dropped at a pause | 947 | G2: B68.1 keeps 0 of 1 triggers |
/// | a pause that ends without a check | 840 | G10: B68.1 waits without need |
/// | a gap among events put back | 60 | G2: a50.3's run has 2 events and 5 dropped, of 7, 1 of which fit |
/// | clear codes respond | 989 | G1: B77.0 responds without a condition |
/// | timeouts forgotten when the check exits | 830 | G7: B68.1 is cleared with kill |
/// | a paused module runs | 894 | G2: 957.1 is paused |
/// | one run more than slots | 769 | G4: 2 runs in 1 slots |
/// | a stuck run frees its slot twice | 618 | G4: 2 runs in 1 slots |
/// | a free slot given away before the response | 746 | G4: 2 runs in 1 slots |
/// | triggered runs always first | 36 | G5: c63.6 was passed by 54 times |
/// | the timer's runs always first | 457 | G5: two runs of the timer went before a triggered one |
/// | last come, first served | 10 | G5: 969.0 was passed by 19 times |
/// | the timer's runs against name order | 677 | G5: z63.2 starts before 997.0 |
/// | half the grace | 677 | G7: 997.0 is killed before its time |
/// | no deadline after SIGKILL | 565 | deadline: something waits for 20150000000, the next ... |
/// | a stuck run is not asked about again | 356 | G7: c82.3 is stuck for too long |
/// | no cooldown | 795 | G10: D50.3 starts without need: 1 triggers, forbidden until ... |
/// | no limit | 373 | G10: a96.4 starts without need: 1 triggers, forbidden until ... |
/// | no bound to settling | 105 | G10: z69.3 waits without need |
/// | a queued module does not settle on | 63 | G10: D54.0 starts without need: 2 triggers, ... |
/// | a retry after a run that replaced it | 57 | G10: B10.0 starts without need: 0 triggers, ... |
/// | interval runs wait for settle | 715 | G10: 997.0 waits without need |
/// | periods counted from the wake-up | 393 | deadline: something waits for 4000000000, ... |
/// | a deaf module polled on its interval alone | 256 | G9: a96.4's next poll is shown wrongly |
/// | a deaf module polled against its interval "off" | 186 | G10: B29.2 starts without need: 5 triggers, ... |
/// | no attempt to watch during a pause | 235 | G9: B10.0 is not rearmed |
/// | no check after deafness | 434 | G10: z77.6 waits without need |
/// | no check after deafness that ends during a run | 298 | G10: z77.6 waits without need |
/// | deafness told at every new reason of one cause | 401 | G9: B82.5's deafness is told again |
/// | polls that shorten the back-off | 30 | G10: D34.2 starts without need: 0 triggers, ... |
/// | echoes never told apart | 132 | G10: c27.1 starts without need: 4 triggers, ... |
/// | exit said again | 328 | exit: said after 2 stops, with 0 slots in use |
@Suite("SchedulerSimulation")
struct SchedulerSimulationTests {
    static let steps = 500
    static let chunks: UInt64 = 10

    @Test("G1–G7, G9, G10 hold in every world", arguments: 0..<chunks)
    func contractHolds(chunk: UInt64) async {
        var reached = Coverage()
        for seed in Seeds.all where seed % Self.chunks == chunk {
            var simulation = SchedulerSimulation(seed: seed)
            do throws(Violation) { try simulation.run(steps: Self.steps) } catch {
                report(error, seed)
            }
            reached.add(simulation.contract.coverage)
            // Other tests wait for daemons, and must see in time what those do.
            await Task.yield()
        }
        if !Seeds.isReplay { #expect(reached.missing.isEmpty, "these worlds are too tame") }
    }

    private func report(_ violation: Violation, _ seed: UInt64) {
        var replay = SchedulerSimulation(seed: seed, isTold: true)
        do throws(Violation) { try replay.run(steps: Self.steps) } catch {}
        let end = replay.story.suffix(Seeds.isReplay ? 200 : 12).joined(separator: "\n")
        Issue.record("seed \(seed): \(violation.message); again with CRD_SEED=\(seed)\n\(end)")
    }
}

/// Which worlds are visited: one with `CRD_SEED=n`, N more than usual with `CRD_SOAK_SEEDS=N`.
private enum Seeds {
    static let ordinary: UInt64 = 1_000
    static let isReplay = number("CRD_SEED") != nil
    static let all: Range<UInt64> =
        if let seed = number("CRD_SEED") { seed..<seed + 1 } else {
            0..<ordinary + (number("CRD_SOAK_SEEDS") ?? 0)
        }

    private static func number(_ variable: String) -> UInt64? {
        getenv(variable).flatMap { UInt64(String(cString: $0)) }
    }
}
