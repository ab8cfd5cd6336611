// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import TestSupport
import Testing

/// Goal: whatever happens in a tree, in the end exactly the right inodes are watched, and every
/// module whose paths have changed was triggered after the last change.
/// Method: storms of random operations, read now and then; after each storm, single ones.
///
/// `CRD_SEED=n` replays one world, `CRD_SOAK_SEEDS=N` visits N more.
@Suite("Path worlds")
struct PathWorldTests {
    private static let chunks: UInt64 = 8
    private static let ordinary: UInt64 = 80

    private static let seeds: Range<UInt64> =
        if let seed = number("CRD_SEED") { seed..<seed + 1 } else {
            0..<ordinary + (number("CRD_SOAK_SEEDS") ?? 0)
        }

    private static func number(_ variable: String) -> UInt64? {
        ProcessInfo.processInfo.environment[variable].flatMap { UInt64($0) }
    }

    @Test("G2, G9: what changes is told, what is there is watched", arguments: 0..<chunks)
    func interleaved(chunk: UInt64) async throws {
        for seed in Self.seeds where seed % Self.chunks == chunk {
            let world = try PathWorld(seed: seed)
            var random = SplitMix64(seed: ~seed)
            for _ in 0..<4 {
                // Other tests wait for daemons, and must see in time what those do.
                await Task.yield()
                for _ in 0..<60 {
                    try world.operate()
                    if random.percent(30) { try world.drain(completely: false) }
                }
                try world.drain()
                if try complain(world, seed) { return }
                for _ in 0..<15 {
                    try world.operate()
                    try world.drain()
                    if try complain(world, seed) { return }
                }
            }
        }
    }

    @Test("G2, G9: while another process is at it", arguments: UInt64(0)..<4)
    func concurrent(seed: UInt64) async throws {
        let world = try PathWorld(seed: seed)
        for _ in 0..<3 {
            for _ in 0..<10 { try world.operate() }
            try await world.letAnotherOperate(150)
            if try complain(world, seed) { return }
        }
    }

    private func complain(_ world: PathWorld, _ seed: UInt64) throws -> Bool {
        let faults = try world.faults()
        guard !faults.isEmpty else { return false }
        let story = world.story.suffix(12).joined(separator: "\n")
        let text = faults.joined(separator: "\n")
        Issue.record("seed \(seed): \(text)\nagain with CRD_SEED=\(seed), at its end:\n\(story)")
        return true
    }
}
