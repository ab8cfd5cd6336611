// SPDX-License-Identifier: GPL-3.0-or-later

/// A guarantee that the scheduler did not keep.
struct Violation: Error {
    let message: String

    /// Throws unless `condition` holds. `guarantee` is its name in the design, such as "G4".
    static func unless(
        _ condition: Bool, _ guarantee: StaticString, _ message: @autoclosure () -> String
    ) throws(Violation) {
        if !condition { throw Violation(message: "\(guarantee): \(message())") }
    }
}
