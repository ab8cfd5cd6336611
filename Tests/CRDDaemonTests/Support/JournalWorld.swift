// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// A world whose daemon reads the journal of a box.
final class JournalWorld {
    // In the order in which they end.
    let world: World
    let box: JournaldBox
    /// If we are in a cgroup, the daemon would share it and take our entries for its own.
    private let cgroup: ScratchCgroup?

    /// - Parameter more: further lines of crd.conf.
    init(_ box: JournaldBox, interval: String = "1h", more: String = "") throws {
        self.box = box
        world = try World(interval: interval, more: more)
        cgroup = try Surroundings.isInRootCgroup ? nil : ScratchCgroup()
    }

    /// With a box of its own.
    convenience init(
        _ storage: JournaldBox.Storage = .volatile, interval: String = "1h", more: String = "",
        journald: String = ""
    ) async throws {
        let box = try await JournaldBox(storage, more: journald)
        // journald listens before there is a journal.
        try await box.sync()
        try self.init(box, interval: interval, more: more)
    }

    /// For a manifest.
    static func trigger(_ keys: String) -> String { "[[trigger.journal]]\n\(keys)\n" }

    /// A module with one journal trigger that is checked for its entries alone.
    ///
    /// - Parameters:
    ///   - keys: the trigger's.
    ///   - more: the module's.
    func witness(
        _ name: String, _ keys: String, more: String = "", before: String = ":",
        check: String = "exit 1", response: String = "exit 0"
    ) throws -> Witness {
        try Witness(
            name, in: world, manifest: "interval = 'off'\n\(more)\n\(Self.trigger(keys))",
            before: before, check: check, response: response)
    }

    /// A prefix that runs a command where the daemon belongs.
    var prefix: [String] { (cgroup?.prefix ?? []) + box.prefix }

    /// Starts the daemon and waits until it answers.
    @discardableResult
    func start(_ prefix: [String] = []) async throws -> Program {
        try await world.start(self.prefix + prefix)
    }

    /// How many of the daemon's lines contain the text.
    func said(_ text: String) -> Int {
        // A test reacts to a check so soon that the module may seem to trigger itself.
        world.lines.filter { $0.contains(text) && !$0.contains("seems to trigger itself") }.count
    }
}
