// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

/// How long to wait for what should take an instant: the machine may be busy with other things.
let patience = Duration.seconds(240)

/// Waits until the condition holds; gives up the test if it never does.
///
/// - Parameter period: how often to look.
func eventually(
    _ expectation: String, every period: Duration = .milliseconds(20),
    sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
) async throws {
    let clock = ContinuousClock()
    let end = clock.now + patience
    while try await !condition() {
        guard clock.now < end else {
            Issue.record(
                "waited \(patience) in vain: \(expectation)", sourceLocation: sourceLocation)
            throw Trouble(expectation)
        }
        try await Task.sleep(for: period)
    }
}
