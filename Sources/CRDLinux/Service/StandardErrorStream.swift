// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Glibc
import SystemPackage

/// Standard error, written to without blocking on its reader.
///
/// The descriptor cannot be made non-blocking: that is a property of the open file, which other
/// programs on the terminal share. A pipe or a terminal is opened a second time instead.
struct StandardErrorStream: LogDestination {
    private enum Access {
        /// Non-blocking, and ours alone.
        case own
        case socket
        /// Neither; poll(2) must first report room.
        case shared
    }

    /// As much as a pipe accepts in one piece, or without blocking once poll(2) reports room
    /// (pipe(7), `PIPE_BUF`).
    private static let chunk = 4_096

    let file: SharedDescriptor?
    private let access: Access

    init(_ descriptor: CInt) {
        var status = stat()
        _ = fstat(descriptor, &status)
        let kind = status.st_mode & S_IFMT
        if kind == S_IFIFO || isatty(descriptor) == 1,
            let own = try? Descriptor.open(
                FilePath("/proc/self/fd/\(descriptor)"), O_WRONLY | O_NONBLOCK | O_NOCTTY)
        {
            file = SharedDescriptor(own)
            access = .own
            return
        }
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        file = copy < 0 ? nil : SharedDescriptor(Descriptor(adopting: copy))
        access = kind == S_IFSOCK ? .socket : .shared
    }

    func write(_ bytes: ArraySlice<UInt8>) -> LogWriteResult {
        guard let file else { return .impossible }
        // A short line in one write(2), so that lines of several writers do not mix.
        let chunk = bytes.prefix(Self.chunk)
        while true {
            if access == .shared, !isReady(file) { return .full }
            let count = chunk.withUnsafeBytes { chunk in
                access == .socket
                    ? send(
                        file.rawValue, chunk.baseAddress, chunk.count,
                        CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
                    : Glibc.write(file.rawValue, chunk.baseAddress, chunk.count)
            }
            if count >= 0 { return .wrote(count) }
            switch Errno(rawValue: errno) {
            case .interrupted: continue
            case .wouldBlock: return .full
            default: return .impossible
            }
        }
    }

    private func isReady(_ file: SharedDescriptor) -> Bool {
        var request = pollfd(fd: file.rawValue, events: Int16(POLLOUT), revents: 0)
        return poll(&request, 1, 0) > 0
    }

    static func notice(dropped: Int) -> [UInt8] {
        let lines = CountedNoun(dropped, "line")
        return Array("crd: warning: dropped \(lines): standard error was not read in time\n".utf8)
    }
}
