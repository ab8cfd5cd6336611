// SPDX-License-Identifier: GPL-3.0-or-later

/// A signal for all processes of a run, inside or outside its process group.
public enum TreeSignal: Hashable, Sendable {
    /// SIGTERM.
    case terminate
    /// SIGKILL.
    case kill
}
