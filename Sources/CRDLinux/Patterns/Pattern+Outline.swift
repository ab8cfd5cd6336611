// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore

extension Pattern {
    /// Compiles a pattern for the reader of manifests: returns the names of its groups and its
    /// size.
    public static func outline(_ text: String) throws(PatternOutline.Malformed) -> PatternOutline {
        do throws(Malformed) {
            let pattern = try Pattern(text)
            return PatternOutline(captures: pattern.captureNames, size: pattern.size)
        } catch {
            throw PatternOutline.Malformed(reason: error.reason, offset: error.offset)
        }
    }
}
