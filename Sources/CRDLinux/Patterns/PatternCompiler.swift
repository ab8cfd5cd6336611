// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore

/// Compiles patterns for whoever reads a manifest.
public enum PatternCompiler {
    /// What is in a pattern.
    public static func outline(_ text: String) throws(PatternOutline.Malformed) -> PatternOutline {
        do throws(Pattern.Malformed) {
            return PatternOutline(captures: try Pattern(text).captureNames)
        } catch {
            throw PatternOutline.Malformed(reason: error.reason, offset: error.offset)
        }
    }
}
