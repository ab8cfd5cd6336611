// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
public import CRDLinux
import Glibc

/// The connection to the user who changes modules.
public struct InstallationConsole {
    /// Shows a sentence.
    public var say: (String) -> Void
    /// Shows the lines and asks whether to continue; nil if nobody can be asked.
    public var confirm: (([String]) -> Bool)?
    /// Whether every question counts as answered with yes.
    public var assumesYes = false
    /// Where the scripts' output is shown.
    public var output: CInt = STDOUT_FILENO
    public var errors: CInt = STDERR_FILENO
    /// Whether git may show its progress there.
    public var showsProgress = false
    /// Returns the number of ended runs of a user module, as reported by the daemon, while a run is
    /// in progress; nil if none is.
    public var runUnderWay: (ModuleName) -> Int? = { _ in nil }
    /// The signals that interrupt the change; nil if it cannot be interrupted.
    public var interruption: InterruptSignals?
    /// Whether a change is being undone, which must not be interrupted.
    var isUndoing = false

    public init(say: @escaping (String) -> Void) {
        self.say = say
    }
}
