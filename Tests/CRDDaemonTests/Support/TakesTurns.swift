// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

/// Lets a few tests at a time have the machine, so that the daemons of all of them together do not
/// make each other late.
struct TakesTurns: TestTrait, SuiteTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        await Turns.shared.take()
        do { try await function() } catch {
            await Turns.shared.giveBack()
            throw error
        }
        await Turns.shared.giveBack()
    }
}

extension Trait where Self == TakesTurns {
    static var takesTurns: TakesTurns { TakesTurns() }
}

private actor Turns {
    static let shared = Turns()
    private var free = 6
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func take() async {
        if free > 0 {
            free -= 1
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    func giveBack() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}
