// SPDX-License-Identifier: GPL-3.0-or-later

/// A signal that can be a trigger (signal(7)).
public enum TriggerSignal: Hashable, Sendable, CustomStringConvertible {
    case user1
    case user2
    /// `SIGRTMIN` plus this number.
    case realTime(Int)

    /// `SIGRTMAX` as such a number with glibc, which reserves the first two real-time signals.
    public static let realTimeMax = 30

    /// Why a signal cannot be a trigger, to follow "the signal".
    struct Refused: Error {
        let reason: String
    }

    /// Parses a signal's name as kill(1) writes it, with or without `SIG`.
    init(parsing text: String) throws(Refused) {
        let name = text.hasPrefix("SIG") ? String(text.dropFirst(3)) : text
        switch name {
        case "USR1": self = .user1
        case "USR2": self = .user2
        default:
            if let offset = try Self.offset(of: name) {
                self = .realTime(offset)
            } else {
                throw Refused(reason: Self.objection(to: name))
            }
        }
    }

    /// Returns the distance of a real-time signal from `SIGRTMIN`; nil for other names.
    private static func offset(of name: String) throws(Refused) -> Int? {
        for (base, sign, start) in [("RTMIN", "+", 0), ("RTMAX", "-", realTimeMax)] {
            guard name.hasPrefix(base) else { continue }
            let rest = name.dropFirst(base.count)
            if rest.isEmpty { return start }
            guard rest.hasPrefix(sign), let number = Int(rest.dropFirst()), number >= 0,
                "\(sign)\(number)" == rest
            else { return nil }
            guard number <= realTimeMax else {
                throw Refused(
                    reason: "is beyond the real-time signals, RTMIN+0 to RTMIN+\(realTimeMax)")
            }
            return start == 0 ? number : start - number
        }
        return nil
    }

    /// The signals that the daemon itself needs, and what for.
    private static let taken = [
        "HUP": "to read its files again", "TERM": "to stop", "INT": "to stop",
        "CHLD": "to notice that a child has ended", "PIPE": "to notice that nobody reads its log",
        "QUIT": "to end at once", "ABRT": "to end at once",
    ]

    private static func objection(to name: String) -> String {
        if let use = taken[name] { return "belongs to the daemon, which uses it \(use)" }
        if ["KILL", "STOP"].contains(name) { return "cannot be caught by any program" }
        return "cannot be used as a trigger"
    }

    /// The name used in events.
    public var description: String {
        switch self {
        case .user1: "SIGUSR1"
        case .user2: "SIGUSR2"
        case .realTime(let offset): "SIGRTMIN+\(offset)"
        }
    }
}
