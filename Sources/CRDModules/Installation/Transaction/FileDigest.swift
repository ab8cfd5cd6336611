// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
import SystemPackage

/// SHA-256 digests of files by `sha256sum` of coreutils, which every machine has, so that the
/// daemon does not need a library that only installations use.
enum FileDigest {
    /// The number of files in one call, which are open at once; far below the limit.
    private static let batch = 256

    /// Computes digests.
    ///
    /// The files are opened here, not by `sha256sum`, which would wait for a process with a write
    /// lease (fcntl(2)). No process gets one while a file is open.
    ///
    /// - Returns: hexadecimal digits, by path.
    /// - Throws: `InstallationFailure`, also if a file is being written.
    static func sha256(
        of paths: [FilePath], in directory: FilePath
    ) throws(InstallationFailure) -> [FilePath: String] {
        guard !paths.isEmpty else { return [:] }
        let program = try program()
        var digests: [FilePath: String] = [:]
        for start in stride(from: 0, to: paths.count, by: batch) {
            let some = paths[start..<min(start + batch, paths.count)]
            let files = try some.map { path throws(InstallationFailure) in
                do {
                    return try WriteLease.holdOff(directory.appending(path.components))
                } catch {
                    throw InstallationFailure("\(error)")
                }
            }
            let names = files.map { "/proc/\(getpid())/fd/\($0.rawValue)" }
            // With `-z` each line ends with a zero byte.
            let printed = try withExtendedLifetime(files) { () throws(InstallationFailure) in
                try ask(program, ["-z", "--"] + names, in: directory)
            }
            let lines = printed.split(separator: 0)
            guard lines.count == some.count else { break }
            for (path, line) in zip(some, lines) {
                digests[path] = String(decoding: line.prefix(digits), as: UTF8.self)
            }
        }
        guard digests.count == paths.count else {
            throw InstallationFailure(
                "the files in \(directory) could not be read; is the disk faulty?")
        }
        return digests
    }

    /// Returns the path of the program.
    ///
    /// - Throws: `InstallationFailure` if it is not installed.
    static func program() throws(InstallationFailure) -> String {
        if let program = CommonEnvironment.program("sha256sum") { return program }
        throw InstallationFailure("sha256sum was not found; install coreutils")
    }

    private static let digits = 64
    /// For the files of a module, of which there are at most 256 MiB.
    private static let timeout = Duration.seconds(120)

    private static func ask(
        _ program: String, _ arguments: [String], in directory: FilePath
    ) throws(InstallationFailure) -> [UInt8] {
        let run = ForegroundProgram(
            path: program, arguments: arguments,
            environment: CStringBlock(["LC_ALL=C"]), directory: directory.string,
            timeout: timeout, grace: .seconds(1))
        let output = CaptureSink(limit: 1 << 22)
        let end = OutputTail()
        do {
            let ending = try run.run(output: output, errors: EchoSink(to: nil, keeping: end))
            if ending == .ended(.exited(0)) { return output.bytes }
        } catch {
            throw InstallationFailure("\(error)")
        }
        throw InstallationFailure("sha256sum: \(end.lines.joined(separator: "; "))")
    }
}
