// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
public import CRDModules

extension ControlInterface.Module {
    /// Describes a module of a running daemon.
    ///
    /// - Parameters:
    ///   - waitingFor: a trigger's path that does not exist yet.
    ///   - remedy: what to do after a file was fixed, if anything.
    init(
        _ member: ModulesInForce.Member, _ status: ModuleStatus, waitingFor: String? = nil,
        remedy: String, calendar: (Instant) -> String
    ) {
        let module = member.installed
        self.init(
            name: module.name.description, kind: module.kind.rawValue,
            state: Self.state(of: status, waitingFor: waitingFor),
            reason: Self.reason(
                of: status, module.complaints, outdatedBy: member.faults, remedy: remedy,
                isRefused: member.isRefused),
            description: module.manifest.description, next: status.nextInterval.map(calendar),
            pending: status.pendingCount, runs: status.runs, responses: status.responses)
        guard let conclusion = status.last, let ended = status.lastEnded else { return }
        last = ControlInterface.Run(
            trigger: conclusion.cause.rawValue, check: "\(conclusion.check)",
            checkSeconds: Double(conclusion.checkDuration.nanoseconds) / 1e9,
            response: conclusion.response.map { "\($0)" }, ended: calendar(ended))
    }

    /// Describes a module on disk: a support module, or any module while no daemon runs.
    public init(onDisk module: ModuleOnDisk) {
        let complaints = module.complaints + module.executableComplaints
        let good = module.kind == .support ? "installed" : "stopped"
        let enabled = module.manifest.enabled ? good : "disabled"
        self.init(
            name: module.name.description, kind: module.kind.rawValue,
            state: complaints.isEmpty ? enabled : "failed",
            reason: Self.text(of: complaints), description: module.manifest.description)
    }

    static func state(of status: ModuleStatus, waitingFor: String?) -> String {
        if status.phase == .idle, let waitingFor { return "waiting for \(waitingFor)" }
        return "\(status.phase)"
    }

    /// Returns what is wrong, the worst first.
    ///
    /// - Parameter faults: the faults of files whose previous content is in effect.
    static func reason(
        of status: ModuleStatus, _ complaints: [Diagnostic], outdatedBy faults: [Diagnostic] = [],
        remedy: String = "", isRefused: Bool = false
    ) -> String? {
        let consequence =
            isRefused ? "; until then it does not run" : Reloader.Outcome.consequence
        let outdated = text(of: faults).map { "\($0)\(remedy)\(consequence)" }
        // A refused run has the same reason.
        let trouble =
            isRefused && !faults.isEmpty ? nil : trouble(of: status, complaints, remedy)
        let told = [trouble, status.deafness?.reason, outdated].compactMap(\.self)
        return told.isEmpty ? nil : told.joined(separator: "; ")
    }

    private static func trouble(
        of status: ModuleStatus, _ complaints: [Diagnostic], _ remedy: String
    ) -> String? {
        switch status.health {
        case .well: nil
        case .erring(let termination): "the check \(termination.predicate)"
        case .failed(let reason): text(of: complaints).map { "\($0)\(remedy)" } ?? reason
        case .stuck(let reason):
            reason
                ?? "a process of its last run survived SIGKILL (state D, or traced by another process)"
        }
    }

    private static func text(of complaints: [Diagnostic]) -> String? {
        guard let first = complaints.first else { return nil }
        let more = complaints.count - 1
        return more == 0 ? "\(first)" : "\(first) (and \(more) more: run crd check-config)"
    }
}
