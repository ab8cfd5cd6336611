// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import CRDCore

/// Goal: whenever the daemon is killed, every journal entry still gets a run that ends.
/// Method: random writing, reading, ending and killing; then the writing stops, and every entry
/// that an independent count calls an event must have been served.
@Suite("Simulation: the journal and SIGKILL")
struct JournalSimulationTests {
    @Test("G8: every event is in a run that came to its end, whatever was lost before")
    func nothingIsLost() async {
        var deaths = 0
        var events = 0
        for seed in UInt64(0)..<400 {
            var simulation = JournalSimulation(seed: seed)
            simulation.run(steps: 300)
            deaths += simulation.deaths
            for module in 0..<simulation.moduleCount {
                let expected = simulation.events(of: module)
                events += expected.count
                let missing = Set(expected).subtracting(simulation.served[module])
                #expect(
                    missing.isEmpty,
                    """
                    seed \(seed), module \(module): \(missing.sorted()) never served
                    \(simulation.story.suffix(30).joined(separator: "\n"))
                    """)
            }
            // A test must not hog the threads of the other tests.
            await Task.yield()
        }
        #expect(deaths > 1_000, "the worlds are too peaceful")
        #expect(events > 10_000, "the worlds are too quiet")
    }
}
