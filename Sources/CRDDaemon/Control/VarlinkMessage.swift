// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials

/// Varlink's messages (https://varlink.org) as JSON.
enum VarlinkMessage {
    /// A call; its parameters are decoded when the method is known.
    struct Call: Decodable {
        var method: String
        var oneway: Bool?
    }

    private struct CallWithParameters<Parameters: Decodable>: Decodable {
        var parameters: Parameters
    }

    /// A parameter is missing or has another type.
    struct InvalidParameter: Error {
        let name: String
    }

    private struct Reply<Parameters: Encodable>: Encodable {
        var error: String?
        var parameters: Parameters
    }

    /// Empty parameters.
    struct Nothing: Codable {}

    static func call(_ message: [UInt8]) -> Call? {
        try? JSONDecoder().decode(Call.self, from: Data(message))
    }

    static func parameters<Parameters: Decodable>(
        of message: [UInt8], as type: Parameters.Type
    ) throws(InvalidParameter) -> Parameters {
        // A call without parameters may leave them out.
        if let nothing = Nothing() as? Parameters { return nothing }
        do {
            return try JSONDecoder()
                .decode(CallWithParameters<Parameters>.self, from: Data(message)).parameters
        } catch DecodingError.keyNotFound(let key, _) {
            throw InvalidParameter(name: key.stringValue)
        } catch DecodingError.typeMismatch(_, let context),
            DecodingError.valueNotFound(_, let context)
        {
            throw InvalidParameter(name: context.codingPath.last?.stringValue ?? "parameters")
        } catch {
            throw InvalidParameter(name: "parameters")
        }
    }

    static func reply(_ parameters: some Encodable) -> [UInt8] {
        encode(Reply(error: nil, parameters: parameters))
    }

    static func error(_ name: String, _ parameters: some Encodable = Nothing()) -> [UInt8] {
        encode(Reply(error: name, parameters: parameters))
    }

    private static func encode(_ reply: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return try Array(encoder.encode(reply)) + [0]
        } catch {
            preconditionFailure("a reply of strings and numbers cannot be encoded: \(error)")
        }
    }
}
