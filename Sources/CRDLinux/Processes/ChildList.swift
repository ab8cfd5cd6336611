// SPDX-License-Identifier: GPL-3.0-or-later

import Glibc
import SystemPackage

/// The children of this thread, including zombies, without reading all of /proc
/// (`/proc/thread-self/children`, proc(5)).
public struct ChildList: ~Copyable {
    /// Nil if the kernel was built without CONFIG_PROC_CHILDREN.
    private let file: Descriptor?

    /// Opens the list of the calling thread.
    public init() {
        file = try? .open("/proc/thread-self/children", O_RDONLY)
    }

    /// Returns the children, with a single pread(2) while they are few.
    public borrowing func read() -> [PID] {
        var bytes: [UInt8] = []
        while let more = read(at: bytes.count) {
            bytes += more
            // The kernel never returns part of a number, nor more than a page at once. So this is
            // the end only if another number would have fitted.
            guard more.count <= Self.pageSize - Self.numberSizeMax else { continue }
            return bytes.processIDs
        }
        return ProcessTable().entries.filter { $0.parent == getpid() }.map(\.pid)
    }

    private static let pageSize = 4_096
    /// A process ID and the space after it.
    private static let numberSizeMax = 12

    private borrowing func read(at offset: Int) -> [UInt8]? {
        let descriptor: CInt
        switch file {
        case .some(let file): descriptor = file.rawValue
        case .none: return nil
        }
        return [UInt8](unsafeUninitializedCapacity: Self.pageSize) { buffer, count in
            count = max(0, pread(descriptor, buffer.baseAddress!, Self.pageSize, off_t(offset)))
        }
    }
}

extension [UInt8] {
    /// The numbers, each followed by a space or a line feed. Not by way of `String`, since there may
    /// be thousands, after each SIGCHLD.
    var processIDs: [PID] {
        var numbers: [PID] = []
        var number: PID?
        for byte in self {
            if byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n") {
                if let number { numbers.append(number) }
                number = nil
            } else {
                number = (number ?? 0) * 10 + PID(byte - UInt8(ascii: "0"))
            }
        }
        return numbers
    }
}
