// SPDX-License-Identifier: GPL-3.0-or-later

import Foundation

/// A block of code on a page in Markdown.
struct CodeBlock {
    /// The word after the fence; nil for a block that is only indented.
    var language: String?
    var text: String
    /// Where it begins, from 1.
    var line: Int

    /// Every block of a page, in order.
    static func all(of page: String) throws -> [CodeBlock] {
        let text = try String(contentsOfFile: "\(Repository.path)/\(page)", encoding: .utf8)
        var blocks: [CodeBlock] = []
        var open: CodeBlock?
        var isAfterBlank = true
        for (number, line) in text.components(separatedBy: "\n").enumerated() {
            let fence = line.drop { $0 == " " }
            if fence.hasPrefix("```") {
                if let block = open, block.language != nil {
                    blocks.append(block)
                    open = nil
                } else {
                    if let block = open { blocks.append(block) }
                    open = CodeBlock(
                        language: String(fence.dropFirst(3)), text: "", line: number + 1)
                }
            } else if open?.language != nil {
                open?.text += line + "\n"
            } else if line.hasPrefix("    "), open != nil || isAfterBlank {
                if open == nil { open = CodeBlock(language: nil, text: "", line: number + 1) }
                open?.text += line.dropFirst(4) + "\n"
            } else if let block = open {
                blocks.append(block)
                open = nil
            }
            isAfterBlank = line.isEmpty
        }
        return blocks
    }
}
