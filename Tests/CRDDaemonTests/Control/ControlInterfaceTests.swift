// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import Testing

@testable import CRDDaemon

/// Clients are written from an interface's text, and get answers that its types encode.
@Suite("The interfaces' texts agree with the types")
struct ControlInterfaceTests {
    private static let run = ControlInterface.Run(
        trigger: "", check: "", checkSeconds: 0, response: nil, ended: "")
    private static let module = ControlInterface.Module(name: "", kind: "", state: "")
    private static let daemon = ControlInterface.Daemon(
        pid: 0, version: "", configuration: "", slots: 0, running: 0, containment: "", started: "")

    /// A value of each method's parameters and of its reply.
    private static var samples: [String: (parameters: Any, reply: Any)] {
        [
            ControlInterface.List.name: (
                VarlinkMessage.Nothing(),
                ControlInterface.Listing(daemon: daemon, modules: [module])
            ),
            ControlInterface.Reload.name: (
                VarlinkMessage.Nothing(), ControlInterface.Reloaded()
            ),
            VarlinkService.GetInfo.name: (VarlinkMessage.Nothing(), VarlinkService.Info()),
            VarlinkService.GetInterfaceDescription.name: (
                VarlinkService.Interface(interface: ""), VarlinkService.Description(description: "")
            ),
        ]
    }

    @Test(
        "in what a method takes and returns",
        arguments: [ControlInterface.name, VarlinkService.name])
    func methods(interface: String) throws {
        let text = try #require(VarlinkService.definitions[interface])
        let methods =
            interface == ControlInterface.name ? ControlInterface.methods : VarlinkService.methods
        let written = declarations(of: "method", in: text)
        #expect(
            written.map(\.name).sorted()
                == methods.map { "\($0.name.split(separator: ".").last!)" }.sorted())
        for method in methods {
            let sample = try #require(Self.samples[method.name])
            #expect(type(of: sample.parameters) == parameters(of: method))
            #expect(type(of: sample.reply) == reply(of: method))
            let declared = written.first { method.name.hasSuffix(".\($0.name)") }
            #expect(declared?.lists == [fields(of: sample.parameters), fields(of: sample.reply)])
        }
    }

    @Test("in the fields of each type") func types() {
        let written = declarations(of: "type", in: ControlInterface.definition)
        #expect(written.map(\.name) == ["Daemon", "Run", "Module"])
        let samples: [Any] = [Self.daemon, Self.run, Self.module]
        for (declared, sample) in zip(written, samples) {
            #expect(declared.name == "\(type(of: sample))")
            #expect(declared.lists == [fields(of: sample)])
        }
    }

    @Test("in each error") func errors() {
        let errors: [(ControlError, Any)] = [
            (.permissionDenied, VarlinkMessage.Nothing()), (.stopping, VarlinkMessage.Nothing()),
            (.reloadRefused(.init(complaints: [])), ControlInterface.ReloadRefused(complaints: [])),
        ]
        let written = declarations(of: "error", in: ControlInterface.definition)
        #expect(written.count == errors.count)
        for (error, parameters) in errors {
            let message = String(decoding: error.message, as: UTF8.self)
            let declared = written.first {
                message.contains("\"error\":\"\(ControlInterface.name).\($0.name)\"")
            }
            #expect(declared?.lists == [fields(of: parameters)], "\(message)")
        }
    }

    private func parameters<Method: ControlMethod>(of method: Method.Type) -> Any.Type {
        Method.Parameters.self
    }

    private func reply<Method: ControlMethod>(of method: Method.Type) -> Any.Type {
        Method.Reply.self
    }

    // MARK: Varlink

    private struct Declaration {
        let name: String
        /// The parts in parentheses: `pid: int, next: ?string`.
        let lists: [String]
    }

    private func declarations(of word: String, in text: String) -> [Declaration] {
        let code = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
            .joined(separator: " ").split(separator: " ").joined(separator: " ")
        return code.matches(of: /(method|type|error) (\w+) ?\( ?(.*?) ?\)(?: -> \( ?(.*?) ?\))?/)
            .filter { $0.output.1 == word }
            .map { match in
                let lists = [match.output.3, match.output.4].compactMap(\.self)
                return Declaration(
                    name: String(match.output.2),
                    lists: lists.map { String($0) })
            }
    }

    private func fields(of value: Any) -> String {
        Mirror(reflecting: value).children
            .map { "\($0.label ?? ""): \(name(of: "\(type(of: $0.value))"))" }
            .joined(separator: ", ")
    }

    private func name(of type: String) -> String {
        if let match = type.wholeMatch(of: /Optional<(.*)>/) { return "?" + name(of: "\(match.1)") }
        if let match = type.wholeMatch(of: /Array<(.*)>/) { return "[]" + name(of: "\(match.1)") }
        let names = ["Int": "int", "Double": "float", "String": "string", "Bool": "bool"]
        return names[type] ?? type
    }
}
