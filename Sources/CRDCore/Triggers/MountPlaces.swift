// SPDX-License-Identifier: GPL-3.0-or-later

/// Decides which of the mounts that may stall are watched (G15). Each takes a process and an
/// inotify instance, and users can make mounts, by the thousand in a tree of theirs.
///
/// A mount has one place, however many modules watch it. Mounts that a module's path names come
/// before mounts in trees, then each module's first one before the second of any other.
public struct MountPlaces: Sendable {
    /// The limit for all modules together.
    public static let total = 16
    /// The limit for one module.
    public static let perModuleMax = 4

    /// A listener's wish to have a mount watched.
    public struct Claim: Hashable, Sendable {
        public let listener: PathListener
        public let mountPoint: [UInt8]

        public init(_ listener: PathListener, _ mountPoint: [UInt8]) {
            self.listener = listener
            self.mountPoint = mountPoint
        }
    }

    /// The mounts with a place, and the modules that it counts for.
    private var held: [[UInt8]: Set<PathListener>] = [:]
    /// Whether a claim was refused the last time.
    public private(set) var isShort = false

    public init() {}

    /// Assigns the places anew. A mount that loses its place still has it until `free`.
    ///
    /// - Parameters:
    ///   - claims: true where the module's path leads to the mount.
    ///   - stuck: mounts that cannot give up their places now.
    /// - Returns: the claims that are met.
    public mutating func assign(_ claims: [Claim: Bool], stuck: Set<[UInt8]>) -> Set<Claim> {
        let claimed = Set(claims.keys.map(\.mountPoint))
        // These places are taken, whoever should have them.
        let fixed = held.filter { stuck.contains($0.key) || !claimed.contains($0.key) }
        var loads = Self.loads(of: fixed)
        var chosen = Set(fixed.keys)
        var met = Set(claims.keys.filter { fixed[$0.mountPoint]?.contains($0.listener) == true })
        let ranked = rank(claims.filter { !met.contains($0.key) }, loads)
        for claim in ranked where loads[claim.listener, default: 0] < Self.perModuleMax {
            guard chosen.contains(claim.mountPoint) || chosen.count < Self.total else { continue }
            chosen.insert(claim.mountPoint)
            loads[claim.listener, default: 0] += 1
            met.insert(claim)
        }
        settle(&met, in: ranked)
        isShort = met.count < claims.count
        return met
    }

    /// Gives back the place of a mount that is no longer watched.
    public mutating func free(_ mountPoint: [UInt8]) { held[mountPoint] = nil }

    /// Notes who has which place now. Takes back what has to wait for a place that is not free yet.
    private mutating func settle(_ met: inout Set<Claim>, in ranked: [Claim]) {
        for (mountPoint, claims) in Dictionary(grouping: met, by: \.mountPoint)
        where held[mountPoint] != nil {
            held[mountPoint] = Set(claims.map(\.listener))
        }
        var loads = Self.loads(of: held)
        let isHeld = held
        for claim in ranked where met.contains(claim) && isHeld[claim.mountPoint] == nil {
            let hasRoom = held[claim.mountPoint] != nil || held.count < Self.total
            guard hasRoom, loads[claim.listener, default: 0] < Self.perModuleMax else {
                met.remove(claim)
                continue
            }
            held[claim.mountPoint, default: []].insert(claim.listener)
            loads[claim.listener, default: 0] += 1
        }
    }

    private static func loads(of places: [[UInt8]: Set<PathListener>]) -> [PathListener: Int] {
        var loads: [PathListener: Int] = [:]
        for listener in places.values.joined() { loads[listener, default: 0] += 1 }
        return loads
    }

    /// Returns the claims, those to be met first in front.
    private func rank(_ claims: [Claim: Bool], _ loads: [PathListener: Int]) -> [Claim] {
        struct Entry {
            let claim: Claim
            let isNamed: Bool
            let isHeld: Bool
            /// How many mounts its module has before this one.
            var turn = 0
        }
        func precedes(_ first: Entry, _ second: Entry) -> Bool {
            if first.isNamed != second.isNamed { return first.isNamed }
            if first.turn != second.turn { return first.turn < second.turn }
            if first.isHeld != second.isHeld { return first.isHeld }
            if first.claim.listener != second.claim.listener {
                return first.claim.listener < second.claim.listener
            }
            return first.claim.mountPoint.lexicographicallyPrecedes(second.claim.mountPoint)
        }
        let entries = claims.map { claim, isNamed in
            Entry(
                claim: claim, isNamed: isNamed,
                isHeld: held[claim.mountPoint]?.contains(claim.listener) == true)
        }
        var candidates: [Entry] = []
        for (listener, own) in Dictionary(grouping: entries, by: \.claim.listener) {
            let first = loads[listener, default: 0]
            for (place, var entry) in own.sorted(by: precedes).enumerated() {
                entry.turn = first + place
                candidates.append(entry)
            }
        }
        return candidates.sorted(by: precedes).map(\.claim)
    }
}
