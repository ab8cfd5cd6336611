// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// A new directory that others may enter but not change.
enum TemporaryDirectory {
    /// - Parameter inMemory: for tests that wait for the disk hundreds of times and would make all
    ///   others wait: on a tmpfs, if there is one from which programs may be executed.
    /// - Returns: its path, without links on the way. Whoever made it removes it.
    static func make(inMemory: Bool = false) throws -> String {
        let parent = inMemory && isMemoryUsable ? memory : NSTemporaryDirectory()
        let made = strdup(parent + "/crd-XXXXXX")
        defer { free(made) }
        guard let made, mkdtemp(made) != nil else {
            throw Trouble("no directory can be made in \(NSTemporaryDirectory())")
        }
        let path = URL(fileURLWithPath: String(cString: made)).resolvingSymlinksInPath().path
        chmod(path, 0o755)
        return path
    }

    private static let memory = "/dev/shm"

    private static let isMemoryUsable: Bool = {
        var status = statvfs()
        let noExecution = UInt(8)  // ST_NOEXEC
        return statvfs(memory, &status) == 0 && status.f_flag & noExecution == 0
            && access(memory, W_OK) == 0
    }()
}
