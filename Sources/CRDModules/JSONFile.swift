// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import FoundationEssentials
import Glibc
public import SystemPackage

/// A file of crd's own that contains one JSON value.
public enum JSONFile {
    /// Reads the file; returns nil if there is none.
    ///
    /// - Parameter sizeMax: the maximum number of bytes that are read.
    /// - Throws: `SystemCallError`, or `DecodingError` if the file cannot be decoded.
    public static func load<Value: Decodable>(
        _ type: Value.Type, from path: FilePath, sizeMax: Int
    ) throws -> Value? {
        let bytes: [UInt8]
        do throws(SystemCallError) {
            bytes = try Descriptor.open(path, O_RDONLY).readAll(
                limit: sizeMax, subject: path.string)
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return nil
        }
        return try JSONDecoder().decode(type, from: Data(bytes))
    }
}
