// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import TestSupport
import Testing

@Suite("G15: places for mounts that may stall")
struct MountPlacesTests {
    private typealias Claim = MountPlaces.Claim

    private static func claim(_ module: Int, _ mount: String) -> Claim {
        Claim(.module(ModuleID(module)), Array(mount.utf8))
    }

    /// Mounts in the tree of a module.
    private static func tree(_ module: Int, _ mounts: ClosedRange<Int>) -> [Claim: Bool] {
        Dictionary(uniqueKeysWithValues: mounts.map { (claim(module, "/t\(module)/\($0)"), false) })
    }

    private static func shown(_ claims: Set<Claim>) -> [String] {
        claims.map { claim in
            guard case .module(let module) = claim.listener else { return "none" }
            return "\(module.index) \(String(decoding: claim.mountPoint, as: UTF8.self))"
        }.sorted()
    }

    private static func stuck(_ mounts: String...) -> Set<[UInt8]> {
        Set(mounts.map { Array($0.utf8) })
    }

    @Test("one module gets a few, and keeps them while others come and go")
    func oneModule() {
        var places = MountPlaces()
        let first = places.assign(Self.tree(1, 3...5), stuck: [])
        #expect(Self.shown(first) == ["1 /t1/3", "1 /t1/4", "1 /t1/5"])
        #expect(!places.isShort)
        let second = places.assign(Self.tree(1, 1...9), stuck: [])
        #expect(Self.shown(second) == ["1 /t1/1", "1 /t1/3", "1 /t1/4", "1 /t1/5"])
        #expect(places.isShort)
    }

    @Test("a mount has one place, whoever watches it")
    func shared() {
        var places = MountPlaces()
        let claims = Dictionary(
            uniqueKeysWithValues: (0..<50).map { (Self.claim($0, "/nas"), true) })
        #expect(places.assign(claims, stuck: []).count == 50)
        #expect(!places.isShort)
        let others = (50..<65).map { Self.claim($0, "/disk\($0)") }
        let more = claims.merging(others.map { ($0, false) }) { first, _ in first }
        #expect(places.assign(more, stuck: []).count == 65)
    }

    @Test("all modules get their first before any gets its second, as far as they reach")
    func fair() {
        var places = MountPlaces()
        let four = (1...4).map { Self.tree($0, 1...9) }.reduce(into: [:]) { $0.merge($1) { $1 } }
        #expect(places.assign(four, stuck: []).count == MountPlaces.total)
        // A fifth has to wait until one of the others frees a place.
        let five = four.merging(Self.tree(5, 1...9)) { first, _ in first }
        let before = places.assign(five, stuck: [])
        let lost = places.lost(of: four, in: before)
        #expect(before.count == MountPlaces.total - lost.count && !lost.isEmpty)
        #expect(before.allSatisfy { $0.listener != .module(ModuleID(5)) })
        for mountPoint in lost { places.free(mountPoint) }
        let after = places.assign(five, stuck: [])
        #expect(after.count == MountPlaces.total)
        #expect(after.count { $0.listener == .module(ModuleID(5)) } == lost.count)
        for module in 1...5 {
            #expect(after.count { $0.listener == .module(ModuleID(module)) } >= 3)
        }
        #expect(places.assign(five, stuck: []) == after)
    }

    @Test("one that a path names comes before those in trees, and gets the place of one of them")
    func named() {
        var places = MountPlaces()
        var claims = Self.tree(1, 1...9)
        _ = places.assign(claims, stuck: [])
        claims[Self.claim(1, "/nas")] = true
        let waiting = places.assign(claims, stuck: [])
        #expect(Self.shown(waiting) == ["1 /t1/1", "1 /t1/2", "1 /t1/3"])
        #expect(places.assign(claims, stuck: []) == waiting)
        places.free(Array("/t1/4".utf8))
        let served = places.assign(claims, stuck: [])
        #expect(Self.shown(served) == ["1 /nas", "1 /t1/1", "1 /t1/2", "1 /t1/3"])
    }

    @Test("one whose helper is stuck keeps its place, which counts for its module")
    func stuck() {
        var places = MountPlaces()
        var claims = Self.tree(1, 1...4)
        _ = places.assign(claims, stuck: [])
        claims[Self.claim(1, "/nas")] = true
        // The other gets the place of a mount that answers, not the stuck one's.
        let served = places.assign(claims, stuck: Self.stuck("/t1/4"))
        #expect(Self.shown(served) == ["1 /t1/1", "1 /t1/2", "1 /t1/4"])
        // Unmounted, but the helper still waits: it is the same process.
        let left = claims.filter { $0.value }
        #expect(places.assign(left, stuck: Self.stuck("/t1/4")).isEmpty)
        #expect(places.isShort)
        for number in 1...3 { places.free(Array("/t1/\(number)".utf8)) }
        #expect(Self.shown(places.assign(left, stuck: [])) == ["1 /nas"])
        let others = Self.tree(1, 5...9).merging(left) { first, _ in first }
        #expect(places.assign(others, stuck: []).count == MountPlaces.perModuleMax - 1)
        places.free(Array("/t1/4".utf8))
        #expect(places.assign(others, stuck: []).count == MountPlaces.perModuleMax)
    }

    @Test("never more than all of them, whatever comes and goes", arguments: UInt64(0)..<20)
    func bounded(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var places = MountPlaces()
        var running: Set<[UInt8]> = []
        var claims: [Claim: Bool] = [:]
        for _ in 0..<150 {
            let claim = Self.claim(random.below(6), "/m\(random.below(40))")
            if random.below(2) == 0 {
                claims[claim] = random.below(4) == 0
            } else {
                claims[claim] = nil
            }
            let stuck = Set(
                running.sorted { $0.lexicographicallyPrecedes($1) }.filter { _ in
                    random.below(5) == 0
                })
            let met = places.assign(claims, stuck: stuck)
            #expect(met.isSubset(of: claims.keys))
            running.formUnion(met.map(\.mountPoint))
            #expect(running.count <= MountPlaces.total, "seed \(seed)")
            let wanted = Set(met.map(\.mountPoint))
            let ending = running.subtracting(wanted).sorted { $0.lexicographicallyPrecedes($1) }
            for mountPoint in ending
            where !stuck.contains(mountPoint) && random.below(2) == 0 {
                running.remove(mountPoint)
                places.free(mountPoint)
            }
        }
        // Then all that may end ends, and claims that can be met are.
        for _ in 0..<3 {
            let wanted = Set(places.assign(claims, stuck: []).map(\.mountPoint))
            for mountPoint in running.subtracting(wanted) { places.free(mountPoint) }
            running = wanted
        }
        let met = places.assign(claims, stuck: [])
        let mounts = Set(met.map(\.mountPoint))
        for module in Set(claims.keys.map(\.listener)) {
            let has = met.count { $0.listener == module }
            let wants = claims.keys.count { $0.listener == module }
            #expect(
                has == min(wants, MountPlaces.perModuleMax) || mounts.count == MountPlaces.total,
                "seed \(seed)")
        }
    }
}

extension MountPlaces {
    fileprivate func lost(of claims: [Claim: Bool], in met: Set<Claim>) -> [[UInt8]] {
        let held = (1...4).flatMap { module in
            (1...MountPlaces.perModuleMax).map { Array("/t\(module)/\($0)".utf8) }
        }
        return held.filter { mountPoint in !met.contains { $0.mountPoint == mountPoint } }
    }
}
