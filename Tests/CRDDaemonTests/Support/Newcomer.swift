// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// Somebody who pastes a page's blocks into a shell, one after the other.
final class Newcomer {
    let box: SystemdBox
    private var page = ""
    private var blocks: ArraySlice<CodeBlock> = []
    /// Where the shell is.
    var directory = "/root"

    init(in box: SystemdBox) { self.box = box }

    /// Opens a page, of which no block that does something may be skipped.
    func open(_ page: String) throws {
        self.page = page
        blocks = try CodeBlock.all(of: page).filter { ["sh", "toml"].contains($0.language) }[...]
    }

    /// The next block, which must be the one that the test means.
    func next(_ beginning: String, language: String = "sh") throws -> String {
        guard let block = blocks.popFirst() else {
            throw Trouble("\(page) ends before the block \(beginning)")
        }
        guard block.language == language, block.text.hasPrefix(beginning) else {
            throw Trouble("\(page):\(block.line): not \(language) \(beginning): \(block.text)")
        }
        return block.text
    }

    /// Pastes the next block, whose commands must all succeed.
    @discardableResult
    func paste(_ beginning: String, isAsked: Bool = false) async throws -> String {
        let block = try next(beginning)
        let plain = "cd '\(directory)'\nset -e\n\(block)\npwd >/root/where\n"
        try box.write(plain, to: "/root/block")
        let command = isAsked ? Self.answering : "sh /root/block"
        // Compressing a package takes its time.
        let outcome = try await box.outcome(
            of: "export HOME=/root DPKG_DEB_COMPRESSOR_TYPE=none; \(command)")
        guard outcome.code == 0 else {
            throw Trouble("\(page): \(block)\nended with \(outcome.code): \(outcome)")
        }
        directory = (box.read("/root/where") ?? "").trimmingCharacters(in: .newlines)
        return outcome.output + outcome.errors
    }

    /// At a terminal, where the question is answered once it appears: earlier input does not count.
    private static let answering = """
        rm -f /root/terminal
        { until grep -qs 'y/N' /root/terminal; do sleep 0.05; done; echo y; } |
            script --quiet --return --flush --command 'sh /root/block' /root/terminal
        """

    /// Expects no further block.
    func close() throws {
        if let block = blocks.first {
            throw Trouble("\(page):\(block.line): nobody tries this block: \(block.text)")
        }
    }
}
