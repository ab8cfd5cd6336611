// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Logging

/// The path triggers on one mount that may stall, and the helper process that watches them.
///
/// Only one request is pending at a time. So no queue grows while the helper waits for the mount,
/// and afterwards the helper gets the triggers that are wanted then.
final class MountWatcher {
    /// How long the file system may take to answer before its modules are polled.
    static let patience = Duration.seconds(1)

    let mountPoint: [UInt8]
    /// The mount point as text for messages.
    private let place: String
    private let type: FileSystemType
    private let helpers: HelperProcess.Roll
    /// Receives events, and the reason why a module is deaf (nil: it is not).
    private let report: (Report) -> Void
    private var helper: HelperProcess?
    /// Whether the helper was dismissed; a stalled mount may delay its end.
    private var isDismissed = false
    /// The triggers to be watched, and whether existing files count as events for them.
    private var wanted: [StallingTrigger: Bool] = [:]
    /// The triggers that were sent to the helper.
    private var armed: Set<StallingTrigger> = []
    /// Modules whose failed watches the helper is to retry.
    private var retries: Set<ModuleID> = []
    private var faults: [ModuleID: String] = [:]
    private var missing: [ModuleID: String] = [:]
    /// The trigger that is being armed, if existing files do not count as events for it.
    private var lateTrigger: StallingTrigger?
    private var isRequestPending = false
    private var isBusy = false
    private var busySince: Instant?
    /// Why nothing is watched: the file system does not answer, or there is no helper.
    private var outage: String?

    enum Report {
        case happened(ModuleID, TriggerEvent)
        case fault(ModuleID, String?)
    }

    init(
        _ mountPoint: [UInt8], _ type: FileSystemType, helpers: HelperProcess.Roll,
        report: @escaping (Report) -> Void
    ) {
        self.mountPoint = mountPoint
        place = PrintableText.of(String(decoding: mountPoint, as: UTF8.self))
        self.type = type
        self.helpers = helpers
        self.report = report
    }

    /// Whether there is no trigger to watch, and no helper left that may still be waiting.
    var isIdle: Bool { wanted.isEmpty && helper == nil }

    /// Whether the helper waits for the file system, and cannot end before it answers.
    var isStuck: Bool { helper != nil && outage != nil && busySince != nil }

    func missingPath(of module: ModuleID) -> String? { missing[module] }

    /// When to call `passDeadline`.
    var deadline: Instant? { outage == nil ? busySince.map { $0 + Self.patience } : nil }

    /// Replaces the triggers.
    func want(_ triggers: [StallingTrigger: Bool]) {
        let former = Set(wanted.keys.map(\.module))
        wanted = triggers
        for module in former.subtracting(modules) {
            faults[module] = nil
            missing[module] = nil
            report(.fault(module, nil))
        }
        for module in modules.subtracting(former) { tell(module) }
        dismissOrProceed()
    }

    private func dismissOrProceed() {
        guard wanted.isEmpty, !isRequestPending, !isBusy else { return proceed() }
        guard let helper else { return }
        helper.dismiss()
        isDismissed = true
        // It may have begun to look at a change.
        busySince = busySince ?? Clock.now
    }

    private var modules: Set<ModuleID> { Set(wanted.keys.map(\.module)) }

    /// Retries the module's failed watches.
    func rearm(_ module: ModuleID) {
        guard modules.contains(module) else { return }
        if faults[module] != nil { retries.insert(module) }
        proceed()
    }

    /// Reports that the file system has not answered in time; its modules are polled until it does.
    func passDeadline(at now: Instant) {
        guard let deadline, deadline <= now else { return }
        fail(
            "'\(place)' (\(type.name)) has not answered for \(TimeSpan(Self.patience)); see whether its server is there, or unmount it with umount -l"
        )
    }

    // MARK: The helper

    /// Sends the next request, if the last one has been answered.
    private func proceed() {
        guard !isRequestPending, !isBusy, !isDismissed, let step = nextStep() else { return }
        guard let helper = helper ?? start() else { return }
        guard helper.send(PathHelperMessage.encode(step.request)) else { return }
        switch step {
        case .arm(let trigger, let isNew):
            armed.insert(trigger)
            lateTrigger = isNew ? nil : trigger
        case .disarm(let trigger): armed.remove(trigger)
        case .rearm(let module): retries.remove(module)
        }
        isRequestPending = true
        busySince = busySince ?? Clock.now
    }

    /// The next request to the helper.
    private enum Step {
        case arm(StallingTrigger, isNew: Bool)
        case disarm(StallingTrigger)
        case rearm(ModuleID)

        var request: PathHelperMessage.Request {
            switch self {
            case .arm(let trigger, let isNew):
                .arm(.init(trigger.module, trigger.trigger), isNew: isNew)
            case .disarm(let trigger): .disarm(.init(trigger.module, trigger.trigger))
            case .rearm(let module): .rearm(module: module.index)
            }
        }
    }

    private func nextStep() -> Step? {
        if let trigger = armed.first(where: { wanted[$0] == nil }) { return .disarm(trigger) }
        if let (trigger, isNew) = wanted.first(where: { !armed.contains($0.key) }) {
            return .arm(trigger, isNew: isNew)
        }
        return retries.first.map { .rearm($0) }
    }

    private func start() -> HelperProcess? {
        do {
            helper = try helpers.start(
                .paths, received: { [weak self] in self?.receive($0) },
                ended: { [weak self] in self?.end($0) })
            return helper
        } catch {
            fail("'\(place)' cannot be watched: \(error)")
            return nil
        }
    }

    private func end(_ termination: Termination) {
        let wasDismissed = isDismissed
        (helper, isDismissed) = (nil, false)
        armed = []
        retries = []
        missing = [:]
        (isRequestPending, isBusy, busySince) = (false, false, nil)
        if wanted.isEmpty { return }
        if wasDismissed { return proceed() }
        // Later changes are not seen, so all existing files count as events afterwards.
        for trigger in wanted.keys { wanted[trigger] = true }
        fail(
            "the process that watches '\(place)' has ended (\(termination)); it is started again"
        )
    }

    private func receive(_ message: [UInt8]) {
        guard let report = PathHelperMessage.decode(message, as: PathHelperMessage.Report.self)
        else { return }
        switch report {
        case .busy:
            isBusy = true
            busySince = busySince ?? Clock.now
        case .done: receiveAnswer()
        case .happened(let happening, let module):
            let module = ModuleID(module)
            if modules.contains(module) { self.report(.happened(module, happening.event)) }
        case .deafened(let module, let reason): setFault(reason, of: ModuleID(module))
        case .rearmed(let module): setFault(nil, of: ModuleID(module))
        case .missing(let module, let path): missing[ModuleID(module)] = path
        }
    }

    private func setFault(_ fault: String?, of module: ModuleID) {
        guard modules.contains(module) else { return }
        faults[module] = fault
        tell(module)
    }

    /// Records that the helper has answered a request or processed changes. In both cases the file
    /// system has answered.
    private func receiveAnswer() {
        if isBusy { isBusy = false } else { isRequestPending = false }
        busySince = isBusy || isRequestPending ? Clock.now : nil
        if !isRequestPending { tellOfLateTrigger() }
        if outage != nil, busySince == nil, wanted.keys.allSatisfy(armed.contains) {
            outage = nil
            tellAll()
        }
        dismissOrProceed()
    }

    /// Reports an unknown change: the daemon serves others while a trigger is armed, so changes
    /// there may have been missed.
    private func tellOfLateTrigger() {
        guard let late = lateTrigger else { return }
        lateTrigger = nil
        guard modules.contains(late.module) else { return }
        var event = PathEvent(path: Array(late.trigger.path.utf8), [])
        event.isOverflow = true
        let time = Timestamp.rfc3339(nanosecondsSince1970: Clock.realtimeNanoseconds)
        report(.happened(late.module, event.triggerEvent(at: time, readAt: Clock.now)))
    }

    // MARK: Deafness

    private func fail(_ reason: String) {
        guard outage != reason else { return }
        outage = reason
        tellAll()
    }

    private func tellAll() {
        for module in modules.sorted(by: { $0.index < $1.index }) { tell(module) }
    }

    private func tell(_ module: ModuleID) {
        let hidden = type.hidesChanges ? type.silence(at: place) : nil
        report(.fault(module, outage ?? faults[module] ?? hidden))
    }
}
