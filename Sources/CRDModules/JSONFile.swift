// SPDX-License-Identifier: GPL-3.0-or-later

import CRDLinux
import FoundationEssentials
import Glibc
public import SystemPackage

/// A file of crd's own that holds one JSON value.
public enum JSONFile {
    /// Nil where there is none.
    ///
    /// - Parameter sizeMax: how much of it is read, in bytes.
    /// - Throws: `SystemCallError`, or `DecodingError` for one that says nothing.
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
