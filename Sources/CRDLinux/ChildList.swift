// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import SystemPackage

/// The children of this thread, zombies included, without a look at all of /proc
/// (`/proc/thread-self/children`, proc(5)).
public struct ChildList: ~Copyable {
    /// Nil where the kernel was built without CONFIG_PROC_CHILDREN.
    private let file: Descriptor?

    /// For the thread that calls this.
    public init() {
        file = try? .open("/proc/thread-self/children", O_RDONLY)
    }

    /// One pread(2) as long as there are few.
    public borrowing func read() -> [PID] {
        var size = 4_096
        while let bytes = read(upTo: size) {
            if bytes.count < size {
                return bytes.split(separator: UInt8(ascii: " ")).compactMap {
                    PID(String(decoding: $0, as: UTF8.self))
                }
            }
            size *= 4
        }
        return ProcessTable().entries.filter { $0.parent == getpid() }.map(\.pid)
    }

    private borrowing func read(upTo size: Int) -> [UInt8]? {
        let descriptor: CInt
        switch file {
        case .some(let file): descriptor = file.rawValue
        case .none: return nil
        }
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            count = max(0, pread(descriptor, buffer.baseAddress!, size, 0))
        }
        return bytes
    }
}
