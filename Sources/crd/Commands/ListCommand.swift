// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import CRDCore
import CRDDaemon
import CRDLinux
import CRDModules
import SystemPackage

struct ListCommand: ConfiguredCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the modules and their states.",
        discussion: """
            Asks the daemon; if none is running, reads the files, and says so. Exit codes: \
            0 listed, 1 the daemon refused, 78 the configuration has errors.
            """)

    @OptionGroup var options: ConfigurationOption

    @Flag(help: "Print JSON: {\"daemon\": {…} or null, \"modules\": [{…}, …]}.")
    var json = false

    func run() throws {
        // The running daemon can be asked even if the file is faulty by now.
        let file = ConfigurationFile.atRest(options.file)
        let listing = try listing(file)
        if json { return try JSONOutput.write(listing) }
        for line in Self.table(listing.modules) { StandardOutput.say(line) }
        let told = listing.daemon?.complaints ?? []
        // Faults that the daemon has not read yet.
        let news = file.complaints.map(\.description).filter { complaint in
            !told.contains { $0.hasPrefix(complaint) }
        }
        for complaint in told + news { StandardError.say(complaint) }
    }

    private func listing(_ file: ConfigurationFile) throws -> ControlInterface.Listing {
        let socket = file.configuration.socketPath
        do {
            return try ControlClient.list(at: socket)
        } catch  where ControlFailure.isAbsence(error) {
            if !file.complaints.isEmpty { _ = options.load() }
            StandardError.say(
                "no daemon answers at \(socket); this is what is on disk (start it with: crd daemon)"
            )
            let contents = ModuleDirectories(
                file.configuration, switchesUsers: true, judgement: ExecutableJudgement()
            ).contents()
            for complaint in contents.complaints { StandardError.say("\(complaint)") }
            return ControlInterface.Listing(
                daemon: nil, modules: contents.modules.map(ControlInterface.Module.init(onDisk:)))
        } catch {
            StandardError.say(ControlFailure.advice(error, socket))
            throw ExitCode.failure
        }
    }

    // MARK: Table

    /// Longer states, such as one with a path, do not widen the column for all rows.
    private static let stateMax = 24

    private static func table(_ modules: [ControlInterface.Module]) -> [String] {
        var rows = [["MODULE", "STATE", "RUNS", "RESPONSES", "LAST RUN"]]
        for module in modules {
            rows.append([
                module.name, PrintableText.of(module.state), "\(module.runs)",
                "\(module.responses)",
                last(module.last),
            ])
        }
        let widths = rows[0].indices.map { column in
            let counts = rows.map { $0[column].count }
            return (column == 1 ? counts.filter { $0 <= stateMax } : counts).max() ?? 0
        }
        var lines: [String] = []
        for (index, row) in rows.enumerated() {
            let cells = zip(row, widths).map { cell, width in
                cell + String(repeating: " ", count: max(0, width - cell.count))
            }
            let line = cells.joined(separator: "  ")
            lines.append(
                String(
                    line[
                        ..<(line.lastIndex { $0 != " " }.map(line.index(after:)) ?? line.startIndex)
                    ]))
            // The reason is a sentence, too long for a column.
            if index > 0, let reason = modules[index - 1].reason { lines.append("    \(reason)") }
        }
        return lines
    }

    private static func last(_ run: ControlInterface.Run?) -> String {
        guard let run else { return "-" }
        let response = run.response.map { ", response \($0)" } ?? ""
        return "\(run.ended.prefix(19))Z by \(run.trigger): check \(run.check)\(response)"
    }
}
