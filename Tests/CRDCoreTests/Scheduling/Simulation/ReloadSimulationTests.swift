// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

/// Goal: whatever happens to the modules' files, to the watches on them and to the name service,
/// each change is read in time, no reading comes without a reason, and each request is answered
/// once.
/// Method: random changes, losses, requests and delays against a model of the contract; then the
/// world calms down or the daemon stops.
///
/// Proof that it works: the core was broken on purpose, one way at a time. So many of the 300 seeds
/// failed:
///
/// | broken | seeds |
/// |---|---|
/// | a change read at once | 300 |
/// | no bound to unrest | 7 |
/// | no poll after the first | 243 |
/// | polls end when one of two watches is back | 14 |
/// | nothing is read when watches are back | 249 |
/// | the watches on the directories are not retried | 207 |
/// | requests never wait for accounts | 191 |
/// | requests wait for accounts again and again | 97 |
/// | the accounts' answer is not noticed | 52 |
/// | a stop does not end the wait for accounts | 6 |
/// | read after the stop | 66 |
/// | a request during the wait starts anew | 113 |
/// | read while requests wait | 184 |
/// | requests are forgotten when files are no longer watched | 229 |
/// | polls go on when files are no longer watched | 97 |
/// | an incomplete module never waits for a manifest | 18 |
/// | a manifest is awaited unseen | 211 |
/// | each wait for a manifest is news | 243 |
/// | no wait for a manifest is news but the first | 202 |
/// | arrivals outlive a reading | 160 |
/// | earlier changes outlive a reading of all | 10 |
/// | a module that is not ready is not put back | 300 |
/// | one reason's patience for another | 198 |
/// | a module filled later still counts as whole | 45 |
@Suite("Simulation: reloads")
struct ReloadSimulationTests {
    private static let steps = 200

    @Test("G11: changes are read in time, and requests are answered, in every world")
    func contractHolds() async {
        var reached: Set<ReloadContract.Corner> = []
        for seed in UInt64(0)..<300 {
            var simulation = ReloadSimulation(seed: seed)
            do throws(Violation) { try simulation.run(steps: Self.steps) } catch {
                report(error, seed)
            }
            reached.formUnion(simulation.contract.coverage.keys)
            // A test must not hog the threads of the other tests.
            await Task.yield()
        }
        let missing = Set(ReloadContract.Corner.allCases).subtracting(reached)
        #expect(missing.isEmpty, "these worlds are too tame")
    }

    private func report(_ violation: Violation, _ seed: UInt64) {
        var replay = ReloadSimulation(seed: seed, isTold: true)
        do throws(Violation) { try replay.run(steps: Self.steps) } catch {}
        let end = replay.story.suffix(12).joined(separator: "\n")
        Issue.record("seed \(seed): \(violation.message)\n\(end)")
    }
}
