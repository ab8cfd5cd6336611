// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// A cgroup that is the daemon's to divide, as systemd's `Delegate=yes` makes it.
final class DelegatedCgroup: ScratchCgroup {
    static let isPossible: Bool = Surroundings.isRoot && (try? DelegatedCgroup()) != nil

    init() throws {
        try super.init()
        guard Self.markAsDelegated(path), access("\(path)/cgroup.kill", F_OK) == 0 else {
            throw Trouble("\(path) cannot be delegated")
        }
    }

    /// setxattr(2), which Swift's Glibc does not know.
    private static func markAsDelegated(_ path: String) -> Bool {
        typealias Function =
            @convention(c) (
                UnsafePointer<CChar>, UnsafePointer<CChar>, UnsafeRawPointer, Int, CInt
            ) -> CInt
        guard let symbol = dlsym(nil, "setxattr") else { return false }
        let setxattr = unsafeBitCast(symbol, to: Function.self)
        return setxattr(path, "trusted.delegate", "1", 1, 0) == 0
    }
}
