// SPDX-License-Identifier: GPL-3.0-or-later

/// A descriptor with several users; it is closed when the last one releases it.
public final class SharedDescriptor: Sendable {
    let descriptor: Descriptor

    public var rawValue: CInt { descriptor.rawValue }

    public init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }
}
