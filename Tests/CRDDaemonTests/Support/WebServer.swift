// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// An HTTP server on this machine, gone when it is dropped, or when the tests are.
final class WebServer {
    struct Request: Decodable {
        /// Seconds since 1970.
        var time: Double
        var method: String
        var path: String
        /// By lower-case name.
        var headers: [String: String]
        var body: Data

        var text: String { String(decoding: body, as: UTF8.self) }

        /// The value of `text` in the JSON that it brought.
        var jsonText: String? {
            (try? JSONSerialization.jsonObject(with: body) as? [String: String])?["text"]
        }
    }

    static let needs = "needs python3, curl and git"
    static let isPossible = ["python3", "curl", "git"].allSatisfy { Surroundings.find($0) != nil }

    /// Without a trailing slash; `/hook` and `/git` are below it.
    let url: String
    private let record: String
    private let program: Program
    /// The server ends when this does.
    private let lifeline: FileHandle

    /// - Parameters:
    ///   - options: such as `--answers`; Tests/Servers/http-server says which there are.
    ///   - directory: where it keeps its files.
    init(_ options: [String] = [], in directory: String) async throws {
        let name = "\(directory)/server-\(UInt32.random(in: 0 ... .max))"
        record = "\(name).requests"
        var ends: [CInt] = [-1, -1]
        // A program being started must not inherit our end: the server would outlive us.
        try Program.startingOrWriting.withLock {
            guard pipe(&ends) == 0 else { throw Trouble("no pipe for the server") }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        }
        lifeline = FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
        let input = ends[0]
        defer { close(input) }
        let server = try Program(
            ["\(Repository.path)/Tests/Servers/http-server", "--record", record] + options,
            environment: World.environment, input: "/proc/self/fd/\(input)",
            output: "\(name).out", errors: "\(name).err")
        program = server
        var first: Substring?
        try await eventually("the server says its port") {
            if server.hasEnded {
                let said = FileManager.default.contents(atPath: "\(name).err") ?? Data()
                throw Trouble("the server ended at once: \(String(decoding: said, as: UTF8.self))")
            }
            let said = FileManager.default.contents(atPath: "\(name).out") ?? Data()
            let text = String(decoding: said, as: UTF8.self)
            first = text.contains("\n") ? text.split(separator: "\n").first : nil
            return first != nil
        }
        url = "http://127.0.0.1:\(first ?? "")"
    }

    /// What came to `/hook`, in this order; a request that is not answered yet counts.
    var requests: [Request] {
        get throws {
            // The last line may be half there.
            let lines = (FileManager.default.contents(atPath: record) ?? Data())
                .split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
            return try lines.map { try JSONDecoder().decode(Request.self, from: $0) }
        }
    }
}
