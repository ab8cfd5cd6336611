// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import SystemPackage

/// SHA-256 digests of files by `sha256sum` of coreutils, which every machine has, so that the
/// daemon does not need a library that only installations use.
enum FileDigest {
    /// The number of names in one call; far below the limit of execve(2).
    private static let batch = 512

    /// Computes digests.
    ///
    /// - Returns: hexadecimal digits, by path.
    static func sha256(
        of paths: [FilePath], in directory: FilePath
    ) throws(InstallationFailure) -> [FilePath: String] {
        guard !paths.isEmpty else { return [:] }
        let program = try program()
        var digests: [FilePath: String] = [:]
        for start in stride(from: 0, to: paths.count, by: batch) {
            let some = paths[start..<min(start + batch, paths.count)]
            // With `-z` each line ends with a zero byte, and names are not escaped.
            let printed = try ask(program, ["-z", "--"] + some.map { "./\($0)" }, in: directory)
            for line in printed.split(separator: 0) {
                let text = String(decoding: line, as: UTF8.self)
                digests[FilePath(String(text.dropFirst(digits + "  ./".count)))] = String(
                    text.prefix(digits))
            }
        }
        guard digests.count == paths.count else {
            throw InstallationFailure(
                "the files in \(directory) could not be read; is the disk in order?")
        }
        return digests
    }

    /// Returns the path of the program.
    ///
    /// - Throws: `InstallationFailure` if it is not installed.
    static func program() throws(InstallationFailure) -> String {
        if let program = CommonEnvironment.program("sha256sum") { return program }
        throw InstallationFailure("sha256sum is not there; install coreutils")
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
