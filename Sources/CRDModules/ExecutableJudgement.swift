// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Glibc
public import SystemPackage

/// Judges from a file's content whether the kernel can execute it.
///
/// Reading the file and searching for its interpreter may block on a file server. So only commands
/// use it, never the daemon's loop.
public struct ExecutableJudgement: Sendable {
    /// Why a file cannot be executed.
    public struct Objection: Equatable, Sendable {
        /// Completes "FILE ...", with the remedy.
        public let reason: String
        /// Whether something else is missing on this machine, such as the interpreter, which a
        /// module's `install` may provide.
        public let isOfMachine: Bool
    }

    /// Formats that the kernel passes to a registered interpreter (binfmt_misc).
    private let formats: [BinaryFormat]

    public init() {
        let directory = FilePath("/proc/sys/fs/binfmt_misc")
        let isOn =
            KernelFile.read(directory.appending("status").string)?.hasPrefix("enabled") == true
        let names = isOn ? (try? Directory.list(directory)) ?? [] : []
        formats = names.compactMap { name in
            guard !["register", "status"].contains(name.string) else { return nil }
            return KernelFile.read(directory.appending(name).string)
                .flatMap(BinaryFormat.init(parsing:))
        }
    }

    /// Returns why the file cannot be executed; nil if there is no known reason, or if we may not
    /// read it.
    ///
    /// - Parameters:
    ///   - path: a regular file.
    ///   - label: the file's name in the remedy.
    ///   - searchPath: the `PATH` in which env(1) searches for programs, if it is not the modules'
    ///     default.
    public func objection(
        to path: FilePath, as label: String, searchPath: String? = nil
    ) -> Objection? {
        guard let bytes = Self.head(of: path), !isRegistered(path, bytes) else { return nil }
        switch ExecutableHead(bytes, of: label) {
        case .fault(let reason): return Objection(reason: reason, isOfMachine: false)
        case .program(let loader):
            guard let loader, FileStatus(of: FilePath(loader)) == nil, !loader.isEmpty else {
                return nil
            }
            return Objection(
                reason:
                    "needs the loader \(PrintableText.of(loader)), which is not there: the program "
                    + "was built for another system or C library; build it for this one, or link "
                    + "it statically",
                isOfMachine: true)
        case .script(let interpreter, let argument):
            let directory = path.removingLastComponent()
            let reason =
                objection(toInterpreter: interpreter, from: directory, depth: 0)
                ?? Self.objection(
                    toEnv: interpreter, argument, searchPath ?? CommonEnvironment.path)
            return reason.map { Objection(reason: $0, isOfMachine: true) }
        }
    }

    private static func head(of path: FilePath) -> [UInt8]? {
        return try? Descriptor.openRegular(path).readAll(limit: ExecutableHead.lengthMax)
    }

    private func isRegistered(_ path: FilePath, _ bytes: [UInt8]) -> Bool {
        let name = path.lastComponent?.string ?? ""
        return formats.contains { $0.fits(bytes, named: name) }
    }

    // MARK: Interpreters

    /// The number of nested interpreters that the kernel follows.
    private static let depthMax = 4

    private func objection(
        toInterpreter interpreter: String, from directory: FilePath, depth: Int
    ) -> String? {
        let shown = "has a #! line that names the interpreter \(PrintableText.of(interpreter))"
        let path = directory.pushing(FilePath(interpreter))
        let status: FileStatus
        do throws(SystemCallError) {
            status = try FileStatus(at: path)
        } catch {
            guard error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory else {
                return nil
            }
            let name = path.lastComponent?.string ?? ""
            let other = CommonEnvironment.program(name).map { "write '#!\($0)', which is there" }
            return "\(shown), which is not there; "
                + (other ?? "install it, or name another")
        }
        guard status.kind == .regular else {
            return "\(shown), which is not a program; name one"
        }
        guard status.mode & 0o111 != 0 else {
            return "\(shown), which is not executable; run: chmod +x "
                + "'\(PrintableText.of(path.string))'"
        }
        guard let bytes = Self.head(of: path), !isRegistered(path, bytes) else { return nil }
        switch ExecutableHead(bytes, of: path.string) {
        case .fault(let reason): return "\(shown), which \(reason)"
        case .program: return nil
        case .script(let next, _):
            guard depth < Self.depthMax else {
                return "\(shown), which leads to more interpreters than the kernel follows; name a "
                    + "program"
            }
            return objection(toInterpreter: next, from: directory, depth: depth + 1)
                .map { "\(shown), which \($0)" }
        }
    }

    /// Checks the program that env(1) has to find. Without `-S`, env takes everything after its own
    /// name as the name of one program.
    private static func objection(
        toEnv interpreter: String, _ argument: String?, _ searchPath: String
    ) -> String? {
        guard FilePath(interpreter).lastComponent == "env", let argument else { return nil }
        let split =
            ["-S", "--split-string="].first(where: argument.hasPrefix)
            .map { argument.dropFirst($0.count) }
        let words = (split ?? argument[...]).split { $0 == " " || $0 == "\t" }
        if split == nil, words.count > 1, !argument.hasPrefix("-"), !words[0].contains("=") {
            return "has env look for a program called '\(PrintableText.of(argument))'; write "
                + "'#!\(PrintableText.of(interpreter)) -S \(PrintableText.of(argument))'"
        }
        // A variable may change where env searches, and an option may change anything.
        guard let program = words.first, !program.hasPrefix("-"),
            !program.contains(where: { "=/\\'\"$".contains($0) })
        else { return nil }
        let places = [searchPath, CommonEnvironment.standardPath].flatMap {
            $0.split(separator: ":")
        }
        guard !places.contains(where: { access("\($0)/\(program)", X_OK) == 0 }) else { return nil }
        return
            "has env look for \(PrintableText.of(String(program))), which is not in \(searchPath); "
            + "install it, or name another"
    }
}

extension ExecutableName {
    /// Does the same for the entries of a directory.
    static func advice(for name: String, in directory: FilePath) -> String {
        advice(for: name, among: (try? Directory.list(directory).map(\.string)) ?? [])
    }
}
