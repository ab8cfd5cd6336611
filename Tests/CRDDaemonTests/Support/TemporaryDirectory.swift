// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// A new directory that others may enter, and in which they may change nothing.
enum TemporaryDirectory {
    /// - Returns: its path, without links on the way. Whoever made it removes it.
    static func make() throws -> String {
        let made = strdup(NSTemporaryDirectory() + "/crd-XXXXXX")
        defer { free(made) }
        guard let made, mkdtemp(made) != nil else {
            throw Trouble("no directory can be made in \(NSTemporaryDirectory())")
        }
        let path = URL(fileURLWithPath: String(cString: made)).resolvingSymlinksInPath().path
        chmod(path, 0o755)
        return path
    }
}
