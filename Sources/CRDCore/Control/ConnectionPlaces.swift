// SPDX-License-Identifier: GPL-3.0-or-later

/// Shares the connections of a socket between users (G15): one user cannot take all of them, and
/// all other users together leave some to root.
public struct ConnectionPlaces: Sendable {
    /// The limit for all users together.
    public static let total = 64
    /// The limit for all users except root together.
    public static let othersMax = 48
    /// The limit for one user who is not root.
    public static let perUserMax = 16

    /// Why a connection is refused.
    public enum Refusal: Hashable, Sendable {
        case full
        case othersAreFull
        case userHasEnough
    }

    private var counts: [UInt32: Int] = [:]
    private var taken = 0
    private var takenByOthers = 0
    private let roots: Set<UInt32>

    /// - Parameter roots: the user IDs that are treated as root.
    public init(roots: Set<UInt32>) {
        self.roots = roots
    }

    /// Takes a place for a user; returns the reason if there is none for that user.
    public mutating func admit(_ user: UInt32) -> Refusal? {
        let count = counts[user, default: 0]
        let isRoot = roots.contains(user)
        if !isRoot && count >= Self.perUserMax { return .userHasEnough }
        if !isRoot && takenByOthers >= Self.othersMax { return .othersAreFull }
        if taken >= Self.total { return .full }
        if !isRoot { takenByOthers += 1 }
        counts[user] = count + 1
        taken += 1
        return nil
    }

    /// Returns a place that `take` has given.
    public mutating func leave(_ user: UInt32) {
        guard let count = counts[user] else {
            preconditionFailure("user \(user) has no connection")
        }
        // Users come and go, so their entries must not accumulate.
        counts[user] = count > 1 ? count - 1 : nil
        taken -= 1
        if !roots.contains(user) { takenByOthers -= 1 }
    }
}

extension ConnectionPlaces.Refusal: CustomStringConvertible {
    public var description: String {
        typealias Places = ConnectionPlaces
        return switch self {
        case .full: "all \(Places.total) connections are in use"
        case .othersAreFull:
            "users other than root have \(Places.othersMax) connections, the limit for all of "
                + "these users together"
        case .userHasEnough: "it has \(Places.perUserMax) connections, the limit for one user"
        }
    }
}
