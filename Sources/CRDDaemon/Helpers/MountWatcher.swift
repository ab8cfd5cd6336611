// SPDX-License-Identifier: GPL-3.0-or-later

import CRDCore
import CRDLinux
import Logging

/// The path triggers on one mount that may stall, and the helper process that watches them.
///
/// Only one request is pending at a time. So no queue grows while the helper waits for the mount,
/// and afterwards the helper gets the triggers that are wanted then.
final class MountWatcher {
    /// How long the file system may take to answer before its listeners are polled.
    static let patience = Duration.seconds(1)

    let mountPoint: [UInt8]
    /// The mount point as text for messages.
    private let place: String
    private let type: FileSystemType
    private let helpers: HelperProcess.Roll
    /// Receives events, and the reason why a listener is deaf (nil: it is not).
    private let report: (Report) -> Void
    private var helper: HelperProcess?
    /// Whether the helper was dismissed; a stalled mount may delay its end.
    private var isDismissed = false
    /// The triggers to be watched, and whether existing files count as events for them.
    private var wanted: [StallingTrigger: Bool] = [:]
    /// The triggers that were sent to the helper.
    private var armed: Set<StallingTrigger> = []
    /// Listeners whose failed watches the helper is to retry.
    private var retries: Set<PathListener> = []
    private var faults: [PathListener: String] = [:]
    private var missing: [PathListener: String] = [:]
    /// The trigger that is being armed, if existing files do not count as events for it.
    private var lateTrigger: StallingTrigger?
    private var isRequestPending = false
    private var isBusy = false
    private var busySince: Instant?
    /// Why nothing is watched: the file system does not answer, or there is no helper.
    private var outage: String?

    enum Report {
        case happened(PathListener, TriggerEvent)
        case fault(PathListener, String?)
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

    func missingPath(of listener: PathListener) -> String? { missing[listener] }

    /// When to call `passDeadline`.
    var deadline: Instant? { outage == nil ? busySince.map { $0 + Self.patience } : nil }

    /// Replaces the triggers.
    func want(_ triggers: [StallingTrigger: Bool]) {
        let former = Set(wanted.keys.map(\.listener))
        wanted = triggers
        for listener in former.subtracting(listeners) {
            faults[listener] = nil
            missing[listener] = nil
            report(.fault(listener, nil))
        }
        for listener in listeners.subtracting(former) { tell(listener) }
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

    private var listeners: Set<PathListener> { Set(wanted.keys.map(\.listener)) }

    /// Retries the listener's failed watches.
    func rearm(_ listener: PathListener) {
        guard listeners.contains(listener) else { return }
        if faults[listener] != nil { retries.insert(listener) }
        proceed()
    }

    /// Reports that the file system has not answered in time; its listeners are polled until it
    /// does.
    func passDeadline(at now: Instant) {
        guard let deadline, deadline <= now else { return }
        fail(
            "'\(place)' (\(type.name)) has not answered for \(TimeSpan(Self.patience)); check whether its server is up, or unmount it with umount -l"
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
        case .rearm(let listener): retries.remove(listener)
        }
        isRequestPending = true
        busySince = busySince ?? Clock.now
    }

    /// The next request to the helper.
    private enum Step {
        case arm(StallingTrigger, isNew: Bool)
        case disarm(StallingTrigger)
        case rearm(PathListener)

        var request: PathHelperMessage.Request {
            switch self {
            case .arm(let trigger, let isNew):
                .arm(.init(trigger.trigger, of: trigger.listener), isNew: isNew)
            case .disarm(let trigger): .disarm(.init(trigger.trigger, of: trigger.listener))
            case .rearm(let listener): .rearm(listener)
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
            "the process that watches '\(place)' has ended (\(termination)); it is being restarted"
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
        case .happened(let happening, let listener):
            if listeners.contains(listener) {
                self.report(.happened(listener, happening.event))
            }
        case .deafened(let listener, let reason): setFault(reason, of: listener)
        case .rearmed(let listener): setFault(nil, of: listener)
        case .missing(let listener, let path): missing[listener] = path
        }
    }

    private func setFault(_ fault: String?, of listener: PathListener) {
        guard listeners.contains(listener) else { return }
        faults[listener] = fault
        tell(listener)
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
        guard listeners.contains(late.listener) else { return }
        var event = PathEvent(path: Array(late.trigger.path.utf8), [])
        event.isOverflow = true
        let time = Timestamp.rfc3339(nanosecondsSince1970: Clock.realtimeNanoseconds)
        report(.happened(late.listener, event.triggerEvent(at: time, readAt: Clock.now)))
    }

    // MARK: Deafness

    private func fail(_ reason: String) {
        guard outage != reason else { return }
        outage = reason
        tellAll()
    }

    private func tellAll() {
        for listener in listeners.sorted() { tell(listener) }
    }

    private func tell(_ listener: PathListener) {
        let hidden = type.hidesChanges ? type.silence(at: place) : nil
        report(.fault(listener, outage ?? faults[listener] ?? hidden))
    }
}
