// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore

/// Lets the reactor wait for room for a writer while that writer needs some. A file that always has
/// room would otherwise wake the loop endlessly.
public final class WriterReadiness {
    private final class RoomSource: EventSource {
        /// Kept open until the reactor has released it.
        let file: SharedDescriptor
        private let writer: any DeferredWriter

        init(_ file: SharedDescriptor, _ writer: any DeferredWriter) {
            self.file = file
            self.writer = writer
        }

        var descriptor: CInt { file.rawValue }
        var interest: Interest { .writable }

        func drain(into events: inout [Event]) { writer.flush() }
    }

    private let writer: any DeferredWriter
    private var registered: (source: RoomSource, token: Reactor.Token)?

    public init(_ writer: any DeferredWriter) {
        self.writer = writer
    }

    /// Updates the registration; call it before each wait. A failed registration is retried at the
    /// next.
    public func update(in reactor: Reactor) {
        let file = writer.blocked
        guard file !== registered?.source.file else { return }
        registered.map { reactor.remove($0.token) }
        registered = nil
        guard let file else { return }
        let source = RoomSource(file, writer)
        registered = (try? reactor.add(source)).map { (source, $0) }
    }
}
