// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// Lets a few tests at a time have the machine, so that the daemons of all of them together do not
/// make each other late.
struct TakesTurns: TestTrait, SuiteTrait, TestScoping {
    /// Whether nobody else who takes turns may have one meanwhile.
    let isAlone: Bool
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let count = isAlone ? Turns.countMax : 1
        await Turns.shared.take(count)
        do { try await function() } catch {
            await Turns.shared.giveBack(count)
            throw error
        }
        await Turns.shared.giveBack(count)
    }
}

extension Trait where Self == TakesTurns {
    static var takesTurns: TakesTurns { TakesTurns(isAlone: false) }
    /// For a race that the daemon must win, and would not against twenty others.
    static var takesTurnsAlone: TakesTurns { TakesTurns(isAlone: true) }
}

private actor Turns {
    static let shared = Turns()
    /// Most of the time a daemon under test sleeps.
    static let countMax = 2 * ProcessInfo.processInfo.activeProcessorCount

    private var free = countMax
    /// In the order they came, so that who wants many is not passed over for ever.
    private var waiting: [(count: Int, go: CheckedContinuation<Void, Never>)] = []

    func take(_ count: Int) async {
        if waiting.isEmpty && free >= count {
            free -= count
            return
        }
        await withCheckedContinuation { waiting.append((count, $0)) }
    }

    func giveBack(_ count: Int) {
        free += count
        while let next = waiting.first, free >= next.count {
            free -= next.count
            waiting.removeFirst().go.resume()
        }
    }
}
