// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CTestSupport
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import CRDLinux

@Suite("JournalSocket", .timeLimit(.minutes(10)))
final class JournalSocketTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.path.appending("socket").string }

    init() throws { directory = try TemporaryDirectory() }

    /// A socket that receives entries as journald's does.
    private func receiver() throws -> Descriptor {
        unlink(path)
        let fd = crd_test_datagram_receiver(path)
        try #require(fd >= 0)
        return Descriptor(adopting: fd)
    }

    private func received(by receiver: borrowing Descriptor) -> String? {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(receiver.rawValue, &buffer, buffer.count, 0)
        return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }

    private func write(_ text: String, to socket: inout JournalSocket) -> LogWriteResult {
        socket.write(Array(text.utf8)[...])
    }

    @Test("never waits: it says when there is no room, and becomes writable when there is")
    func room() throws {
        let receiver = try receiver()
        var socket = JournalSocket(address: path)
        var count = 0
        while case .wrote = write("\(count)", to: &socket) { count += 1 }
        #expect(count > 0)
        #expect(write("x", to: &socket) == .full)
        let file = try #require(socket.file)
        func isWritable() -> Bool {
            var request = pollfd(fd: file.rawValue, events: Int16(POLLOUT), revents: 0)
            return poll(&request, 1, 0) == 1
        }
        #expect(!isWritable())
        for expected in 0..<count { #expect(received(by: receiver) == "\(expected)") }
        #expect(isWritable())
        #expect(write("again", to: &socket) == .wrote(5))
    }

    @Test("finds a receiver that has restarted, and says when there is none")
    func restart() throws {
        var socket = JournalSocket(address: path)
        #expect(write("nobody", to: &socket) == .unreachable)
        do {
            let first = try receiver()
            #expect(write("first", to: &socket) == .wrote(5))
            #expect(received(by: first) == "first")
        }
        #expect(write("nobody", to: &socket) == .unreachable)
        let second = try receiver()
        #expect(write("second", to: &socket) == .wrote(6))
        #expect(received(by: second) == "second")
    }

    @Test("passes a sealed memory file where a message would be too long")
    func tooLong() throws {
        let receiver = try receiver()
        var socket = JournalSocket(address: path)
        let bytes = [UInt8](repeating: UInt8(ascii: "x"), count: 16 << 20)
        #expect(socket.write(bytes[...]) == .wrote(bytes.count))
        let fd = crd_test_receive_descriptor(receiver.rawValue)
        try #require(fd >= 0)
        let file = Descriptor(adopting: fd)
        #expect(try file.readAll() == bytes)
        let seals: CInt = 1034  // F_GET_SEALS
        #expect(fcntl(file.rawValue, seals) == 0xf)
    }
}

@Suite("LogChannel", .timeLimit(.minutes(10)))
struct LogChannelTests {
    /// Redirects standard error into a pipe of one page. \returns its reading end.
    private static func redirect() throws -> CInt {
        var ends: (CInt, CInt) = (-1, -1)
        try systemCall("pipe") {
            withUnsafeMutableBytes(of: &ends) {
                pipe($0.assumingMemoryBound(to: CInt.self).baseAddress!)
            }
        }
        let setPipeSize: CInt = 1031  // F_SETPIPE_SZ
        try systemCall("fcntl") { fcntl(ends.1, setPipeSize, 4_096) }
        try systemCall("dup2") { dup2(ends.1, STDERR_FILENO) }
        close(ends.1)
        return ends.0
    }

    @Test("nobody reads standard error: lines are kept, then counted, and nothing waits")
    func unread() async {
        await #expect(processExitsWith: .success) {
            let reader = try Self.redirect()
            let channel = LogChannel.standardError()
            #expect(channel.blocked == nil)
            let total = 30_000
            for number in 0..<total { channel.write(Array("line \(number)\n".utf8)) }
            #expect(channel.blocked != nil)
            // The open file stays blocking for others who have it.
            #expect(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK == 0)
            // A reader that starts now gets all that was kept, and the number of dropped lines.
            var text: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 4_096)
            let seal = Array("end\n".utf8)
            var isSealed = false
            while !text.suffix(seal.count).elementsEqual(seal) {
                let count = read(reader, &buffer, buffer.count)
                try #require(count > 0)
                text += buffer[..<count]
                channel.flush()
                if channel.blocked == nil, !isSealed {
                    isSealed = true
                    channel.write(seal)
                }
            }
            let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
            let kept = lines.prefix { $0.hasPrefix("line ") }
            #expect(kept.enumerated().allSatisfy { $1 == "line \($0)" })
            #expect(kept.count > 5_000 && kept.count < total)
            let dropped = total - kept.count
            let notice =
                "crd: warning: dropped \(dropped) lines: standard error was not read in time"
            #expect(lines.dropFirst(kept.count).elementsEqual([notice[...], "end"]))
        }
    }

    @Test("what is left at the end gets out where somebody reads")
    func finishing() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let (begin, end) = (directory["begin"].string, directory["end"].string)
            let reader = try #require(
                popen("until [ -e \(begin) ]; do sleep 0.02; done; cat >\(end)", "w"))
            dup2(fileno(reader), STDERR_FILENO)
            do {
                // More than a pipe holds.
                let channel = LogChannel.standardError()
                for number in 0..<9_000 { channel.write(Array("line number \(number)\n".utf8)) }
                #expect(channel.blocked != nil)
                try directory.write("begin", "")
                channel.drain()
                #expect(channel.blocked == nil)
            }
            close(STDERR_FILENO)
            pclose(reader)
            let text = try Descriptor.open(directory["end"], O_RDONLY).readAll()
            #expect(text.count { $0 == UInt8(ascii: "\n") } == 9_000)
        }
    }
}
