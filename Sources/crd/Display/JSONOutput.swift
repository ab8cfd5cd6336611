// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials

/// The output of `--json`.
enum JSONOutput {
    static func write(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        StandardOutput.say(json: String(decoding: try encoder.encode(value), as: UTF8.self))
    }
}
