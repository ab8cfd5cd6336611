// SPDX-License-Identifier: GPL-3.0-or-later

public import CRDCore
public import CRDLinux
import Glibc

/// Who watches while modules are changed.
public struct InstallationConsole {
    /// Says a sentence to the one who watches.
    public var say: (String) -> Void
    /// Shows the lines and asks whether to go on; nil where nobody can be asked.
    public var confirm: (([String]) -> Bool)?
    /// Whether what would be asked is answered with yes.
    public var assumesYes = false
    /// Where what a script prints is shown.
    public var output: CInt = STDOUT_FILENO
    public var errors: CInt = STDERR_FILENO
    /// Whether git may draw its progress there.
    public var showsProgress = false
    /// How many runs of a user module have ended, as the daemon tells it, while another is under way;
    /// nil where none is.
    public var runUnderWay: (ModuleName) -> Int? = { _ in nil }
    /// What ends it early; nil where nothing may.
    public var interruption: InterruptSignals?
    /// What is being undone is not ended early.
    var isUndoing = false

    public init(say: @escaping (String) -> Void) {
        self.say = say
    }
}
