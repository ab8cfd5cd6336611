// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CTOML

/// Reads TOML with toml++, whose nodes know their position in the file.
public enum TOMLDocument {
    /// The longest text accepted, in bytes. A caller need not read more than one byte beyond.
    public static let sizeMax = 1 << 20

    /// Returns the root table of `bytes`, or throws the first syntax error. `file` is the name to
    /// use in messages.
    public static func parse(_ bytes: [UInt8], file: String) throws(Diagnostic) -> TOMLTable {
        guard bytes.count <= sizeMax else {
            throw Diagnostic(
                file: file, position: .start,
                message: "the file is too large; crd reads at most \(ByteSize(sizeMax))")
        }
        let handle = bytes.withUnsafeBytes {
            ctoml_parse($0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count)!
        }
        defer { ctoml_free(handle) }
        let document = handle.pointee
        var nodes = UnsafeBufferPointer(start: document.nodes, count: document.count)[...]
        guard let root = nodes.popFirst() else {
            throw Diagnostic(
                file: file, position: SourcePosition(document.error_position),
                message: "not valid TOML: \(reason(String(document.error)))")
        }
        return table(of: root, from: &nodes)
    }

    /// Returns toml++'s message without "Error while parsing", and with a hint for the most common
    /// mistake in patterns.
    private static func reason(_ text: String) -> String {
        let opening = "Error while parsing "
        let reason = text.hasPrefix(opening) ? String(text.dropFirst(opening.count)) : text
        guard reason.contains("escape sequence") else { return reason }
        return
            "\(reason); in double quotes a backslash begins an escape sequence: write a pattern in "
            + "single quotes, such as '\\d+', or each backslash twice"
    }

    /// Takes the children of `node` off the front of `nodes`. Recursive: the shim limits the depth.
    private static func table(of node: ctoml_node, from nodes: inout Nodes) -> TOMLTable {
        TOMLTable(
            (0..<node.children).map { _ in
                let child = nodes.removeFirst()
                return TOMLTable.Entry(
                    key: String(child.key), position: SourcePosition(child.key_position),
                    value: value(of: child, from: &nodes))
            })
    }

    private static func value(of node: ctoml_node, from nodes: inout Nodes) -> TOMLValue {
        let content: TOMLValue.Content =
            switch node.kind {
            case ctoml_string: .string(String(node.string))
            case ctoml_integer: .integer(node.integer)
            case ctoml_float: .float(node.floating)
            case ctoml_boolean: .boolean(node.integer != 0)
            case ctoml_array:
                .array(
                    (0..<node.children).map { _ in
                        let child = nodes.removeFirst()
                        return value(of: child, from: &nodes)
                    })
            case ctoml_table: .table(table(of: node, from: &nodes))
            default: .date
            }
        return TOMLValue(content, at: SourcePosition(node.position))
    }

    private typealias Nodes = Slice<UnsafeBufferPointer<ctoml_node>>
}

extension SourcePosition {
    fileprivate init(_ position: ctoml_position) {
        self.init(line: Int(position.line), column: Int(position.column))
    }
}

extension String {
    fileprivate init(_ text: ctoml_text) {
        let bytes = UnsafeRawBufferPointer(start: text.bytes, count: text.count)
        self.init(decoding: bytes, as: UTF8.self)
    }
}
