// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore

/// Compiles patterns for the reader of manifests.
public enum PatternCompiler {
    /// Compiles a pattern, and returns the names of its groups.
    public static func outline(_ text: String) throws(PatternOutline.Malformed) -> PatternOutline {
        do throws(Pattern.Malformed) {
            return PatternOutline(captures: try Pattern(text).captureNames)
        } catch {
            throw PatternOutline.Malformed(reason: error.reason, offset: error.offset)
        }
    }
}
