// SPDX-License-Identifier: GPL-3.0-or-later

import CLinux
import Glibc
import SystemPackage

/// Our side of a Unix datagram socket (unix(7)). It never blocks, whether the receiver does not
/// read or is restarting.
struct DatagramSocket {
    enum Result: Equatable {
        case sent
        /// The receiver must read first; `SharedDescriptor` becomes writable when it has.
        case full
        /// The message is longer than the socket can carry.
        case tooLong
        /// Nothing receives at that address at the moment.
        case unreachable
    }

    /// A path, or an abstract name that begins with '@'.
    let address: String
    /// Connected, since only for such a socket the kernel reports that its receiver has room again.
    private(set) var file: SharedDescriptor?

    init(_ address: String) {
        self.address = address
    }

    /// Sends one message (send(2)). Reconnects if the receiver has a new socket at the address.
    mutating func send(_ bytes: ArraySlice<UInt8>) -> Result {
        send { fd in
            bytes.withUnsafeBytes {
                Glibc.send(
                    fd, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
            }
        }
    }

    /// Sends a file instead of a message (`SCM_RIGHTS`).
    mutating func send(_ file: MemoryFile) -> Result {
        send { Int(crd_send_passing($0, nil, 0, [file.descriptor], 1)) }
    }

    private mutating func send(_ call: (CInt) -> Int) -> Result {
        // The second attempt uses a new connection.
        for _ in 0..<2 {
            if file == nil {
                let fd = crd_unix_datagram(address)
                guard fd >= 0 else { return .unreachable }
                file = SharedDescriptor(Descriptor(adopting: fd))
            }
            guard let file else { return .unreachable }
            while true {
                if call(file.rawValue) >= 0 { return .sent }
                switch Errno(rawValue: errno) {
                case .interrupted: continue
                case .wouldBlock: return .full
                case .messageTooLong, .noBufferSpace: return .tooLong
                default: break
                }
                break
            }
            self.file = nil
        }
        return .unreachable
    }
}
