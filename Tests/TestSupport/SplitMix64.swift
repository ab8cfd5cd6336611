// SPDX-License-Identifier: GPL-3.0-or-later

/// A seeded generator (Steele, Lea, Flood: "Fast splittable pseudorandom number generators"):
/// the same seed tells the same story on every machine.
public struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    public init(seed: UInt64) {
        state = seed
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// From 0 to `bound` - 1.
    public mutating func below(_ bound: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    public mutating func percent(_ chance: Int) -> Bool { below(100) < chance }

    public mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[below(elements.count)]
    }

    /// Any duration up to this one.
    public mutating func upTo(_ duration: Duration) -> Duration {
        let nanoseconds = duration / .nanoseconds(1)
        return .nanoseconds(below(Int(nanoseconds) + 1))
    }
}
