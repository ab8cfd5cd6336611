// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
public import Logging

/// Passes swift-log's lines to `LogOutput`. Metadata become journal fields: `module` is
/// `CRD_MODULE`.
public struct DaemonLogHandler: LogHandler {
    public var metadata: Logger.Metadata = [:]
    public var logLevel: Logger.Level
    private let output: LogOutput

    public init(_ output: LogOutput, level: Logger.Level) {
        self.output = output
        logLevel = level
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let fields = all.sorted { $0.key < $1.key }.map {
            LogOutput.Field("CRD_\($0.key.uppercased())", "\($0.value)")
        }
        output.write("\(event.message)", LogPriority(event.level), fields)
    }
}

extension LogPriority {
    init(_ level: Logger.Level) {
        self =
            switch level {
            case .trace, .debug: .debug
            case .info: .info
            case .notice: .notice
            case .warning: .warning
            case .error: .error
            case .critical: .critical
            }
    }
}
