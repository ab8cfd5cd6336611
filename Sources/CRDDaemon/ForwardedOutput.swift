// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux

/// What a module prints for people, on its way to the log line by line.
final class ForwardedOutput: OutputSink {
    private var splitter = LineSplitter()
    private let output: LogOutput
    private let module: String
    /// Made when there is something to print: most checks are silent.
    private lazy var fields = makeFields()
    private let makeFields: () -> [LogOutput.Field]

    init(
        _ output: LogOutput, module: String, fields: @escaping () -> [LogOutput.Field]
    ) {
        self.output = output
        self.module = module
        makeFields = fields
    }

    func receive(_ bytes: UnsafeRawBufferPointer) {
        splitter.feed(bytes) { output.forward($0, from: module, fields) }
    }

    func finish() {
        splitter.finish { output.forward($0, from: module, fields) }
    }
}
