// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// The result of a finished program.
struct Outcome {
    var code: Program.Ending
    var output: String
    var errors: String

    /// Runs a program to its end.
    ///
    /// - Parameters:
    ///   - input: a file that is its standard input.
    ///   - directory: where its output is kept meanwhile.
    static func of(
        _ command: [String], environment: [String: String] = World.environment,
        input: String = "/dev/null", in directory: String
    ) async throws -> Outcome {
        let name = "\(directory)/outcome-\(UInt32.random(in: 0 ... .max))"
        let output = "\(name).out"
        let errors = "\(name).err"
        defer { for file in [output, errors] { unlink(file) } }
        let program = try Program(
            command, environment: environment, input: input, output: output, errors: errors)
        let code = try await program.end()
        func text(_ path: String) -> String {
            String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
        }
        return Outcome(code: code, output: text(output), errors: text(errors))
    }

    /// Its output, if it succeeded.
    ///
    /// - Parameter what: its task, for the complaint.
    func output(of what: String) throws -> String {
        guard code == 0 else {
            throw Trouble("\(what): ended with \(code), saying: \(errors)\(output)")
        }
        return output
    }
}
