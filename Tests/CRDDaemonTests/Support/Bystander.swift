// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation
import Testing

/// A module of the daemon's own user with a path trigger, which must be answered whatever other
/// modules do.
struct Bystander {
    private let world: World

    init(in world: World) throws {
        self.world = world
        try world.makeDirectory("watched")
        try world.module(
            "Bystander", check: "echo x >>'\(world.notes)/bystander'; exit 1",
            manifest: """
                interval = "1h"
                cooldown = "0s"
                [[trigger.path]]
                path = "\(world.directory)/watched"
                """)
    }

    /// Makes files where it watches, and waits for its check after each.
    func isServed(
        sourceLocation: SourceLocation = #_sourceLocation,
        until isOver: () throws -> Bool = { true }
    ) async throws {
        repeat {
            let before = world.notedLines("bystander").count
            try world.write("", to: "watched/\(before)")
            try await eventually("the bystander is checked", sourceLocation: sourceLocation) {
                world.notedLines("bystander").count > before
            }
        } while try !isOver()
    }
}
